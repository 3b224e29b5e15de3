"""Faults of the watermark, and of converting a voice."""

from __future__ import annotations

from dataclasses import replace

import mlx.core as mx
import numpy as np

import mlx_impl.watermark.network
from mlx_impl.conditioning.conditioner import PromptConditioner
from mlx_impl.synthesis import Synthesis
from mlx_impl.voice_conversion import VoiceConverter
from mlx_impl.watermark.network import Encoder, MaskedMean, Stretched, StretchedMask
from mlx_impl.watermark.watermark import Levels, Magnitudes, Watermark
from tests.mutants.battery import loaded, mutant, wrap

MARK, PAUSE, HEARD_PAUSE = "tiny-watermark", "tiny-watermark-pause", "tiny-watermark-heard-pause"
CONVERTED = "tiny-speak-converted"
NETWORK, HEARD = mlx_impl.watermark.network, "[of=heard]"


@mutant("levels by the natural logarithm", MARK, "watermark.levels", "gain and offset")
def _(m):
    def call(self, spectrum):
        real, imaginary = mx.split(spectrum, 2, axis=-1)
        magnitude = mx.maximum(mx.sqrt(mx.square(real) + mx.square(imaginary)), self.config.quietest)
        return (20 * mx.log(magnitude) - self.config.lowest_level) / self.config.level_range

    m.setattr(Levels, "__call__", call)


@mutant("levels of powers for magnitudes", MARK, "watermark.levels", "gain and offset", "power")
def _(m):
    def call(original, self, spectrum):
        return 2 * original(self, spectrum) + self.config.lowest_level / self.config.level_range

    wrap(m, Levels, "__call__", call)


@mutant("a headroom of 20 dB for 15", MARK, "watermark.levels", "gain")
def _(m):
    wrap(m, Levels, "__init__", lambda init, self, config: init(self, replace(config, headroom=20.0)))


@mutant("the mark added in silence, too", PAUSE, "watermark.encoder.mask", "constant")
def _(m):
    m.setattr(NETWORK.Mask, "__call__", lambda self, sums: mx.ones_like(sums))


@mutant("the mark added to no frame", MARK, "watermark.encoder", "term")
def _(m):
    def call(original, self, levels):
        original(self, levels)
        return levels

    wrap(m, Encoder, "__call__", call)


@mutant("the mark in place of the band", MARK, "watermark.encoder", "term")
def _(m):
    def call(original, self, levels):
        marked = original(self, levels)
        band = marked[..., : self.band] - levels[..., : self.band]
        return mx.concatenate([band, levels[..., self.band :]], axis=-1)

    wrap(m, Encoder, "__call__", call)


@mutant("the watermark's ReLU without a slope", MARK, "watermark.encoder.layers.0", "activation")
def _(m):
    def change(model):
        for layer in model.watermark.encoder.layers[:-1]:
            layer.slope = 0.0

    loaded(m, "mark", change)


@mutant(
    "a kernel of the watermark back to front", MARK, "watermark.encoder.layers.1.conv", "weights", "taps", "permutation"
)
def _(m):
    def change(model):
        conv = model.watermark.encoder.layers[1].conv
        conv.weight = conv.weight[:, ::-1]

    loaded(m, "mark", change)


@mutant("magnitudes by the power of 20 dB", MARK, "watermark.magnitudes", "power")
def _(m):
    wrap(m, Magnitudes, "__call__", lambda original, self, levels: mx.square(original(self, levels)))


@mutant("the phase with its parts exchanged", MARK, "watermark.istft.polar", "phase", "function")
def _(m):
    def mark(self, wave):
        spectrum = self.stft(wave)
        real, imaginary = mx.split(spectrum, 2, axis=-1)
        marked = self.encoder(self.levels(spectrum))
        return self.istft(self.magnitudes(marked), mx.arctan2(real, imaginary))

    m.setattr(Watermark, "mark", mark)


@mutant(
    "frames stretched to their nearest",
    MARK,
    f"watermark.decoder.branches.0.stretched{HEARD}",
    "upsampling",
    "arithmetic",
)
def _(m):
    def call(self, x):
        places = np.linspace(0, x.shape[1] - 1, int(x.shape[1] * self.rate))
        return x[:, mx.array(np.rint(places).astype(np.int32))]

    m.setattr(Stretched, "__call__", call)


@mutant(
    "frames stretched without their ends",
    MARK,
    f"watermark.decoder.branches.0.stretched{HEARD}",
    "upsampling",
    "arithmetic",
)
def _(m):
    def call(self, x):
        count = int(x.shape[1] * self.rate)
        places = np.clip((np.arange(count) + 0.5) * x.shape[1] / count - 0.5, 0, x.shape[1] - 1)
        before = np.minimum(places.astype(np.int32), x.shape[1] - 2)
        share = mx.array((places - before).astype(np.float32))[:, None]
        return x[:, mx.array(before)] * (1 - share) + x[:, mx.array(before + 1)] * share

    m.setattr(Stretched, "__call__", call)


@mutant("the mean over silence, too", HEARD_PAUSE, f"watermark.decoder.branches.0.mean{HEARD}", "statistic", "gain")
def _(m):
    wrap(m, MaskedMean, "__call__", lambda mean, self, x, mask: mean(self, x, mx.ones_like(mask)))


@mutant("a mask stretched from its end", HEARD_PAUSE, f"watermark.decoder.branches.0.mean{HEARD}", "statistic", "gain")
def _(m):
    wrap(m, StretchedMask, "__call__", lambda original, self, mask: original(self, mask[:, ::-1])[:, ::-1])


@mutant(
    "rates of listening in another order", MARK, f"watermark.decoder.branches.0.stretched{HEARD}", "shape", "upsampling"
)
def _(m):
    def change(model):
        first, *_, last = model.watermark.decoder.branches
        first.stretched.rate, last.stretched.rate = last.stretched.rate, first.stretched.rate

    loaded(m, "detect", change)


@mutant(
    "shares of the rates without a softmax", MARK, f"watermark.decoder.attention{HEARD}", "activation", "arithmetic"
)
def _(m):
    m.setattr(NETWORK.Attention, "__call__", lambda self, heed: heed)


@mutant("shares of the rates over the batch", MARK, f"watermark.decoder.attention{HEARD}", "axis", "arithmetic")
def _(m):
    m.setattr(NETWORK.Attention, "__call__", lambda self, heed: mx.softmax(heed, axis=0))


@mutant("a bit that is never rounded", MARK, f"watermark.bit{HEARD}", "few values")
def _(m):
    m.setattr(mx, "round", lambda strength: strength)


@mutant("a converted voice without its x-vector", CONVERTED, "spoken.mel")
def _(m):
    def mel(original, self, tokens, conditions, *rest):
        return original(self, tokens, conditions | {"embedding": np.zeros_like(conditions["embedding"])}, *rest)

    wrap(m, Synthesis, "mel", mel)


@mutant("a converted voice that hears all but the last window", CONVERTED, "spoken.heard")
def _(m):
    def heard(original, self, wave):
        config = self.config.tokenizer
        step = config.hop * (config.window - config.overlap)
        return original(self, wave[: len(wave) - len(wave) % step or len(wave)])

    wrap(m, VoiceConverter, "heard", heard)


@mutant("the voice to convert to heard from its end", CONVERTED, "spoken.flow_prompt_tokens")
def _(m):
    wrap(m, PromptConditioner, "prompt", lambda prompt, self, wave: prompt(self, wave[:, ::-1]))
