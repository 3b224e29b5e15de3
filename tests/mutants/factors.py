"""Faults of factors: of an addend, a sample, an epsilon, a window or a filter; and of orders of gates and digits."""

from __future__ import annotations

import math

import mlx.core as mx
import numpy as np

import mlx_impl.conditioning.mel
import mlx_impl.conditioning.resample
import mlx_impl.conditioning.speaker_encoder as speaker_encoder
import mlx_impl.conditioning.voice_encoder as voice_encoder
import mlx_impl.ops.lstm
import mlx_impl.ops.normalization
import mlx_impl.ops.spectrum
import mlx_impl.t3.stage
import mlx_impl.vocoder.source
import mlx_impl.vocoder.stage
from mlx_impl.conditioning.s3tokenizer import FSQ, Memory
from mlx_impl.decoder import CausalResnetBlock1D
from mlx_impl.encoder import Upsample1D
from mlx_impl.ode import unobserved
from mlx_impl.ops import functional as F
from mlx_impl.t3.backbone import RMSNorm
from mlx_impl.vocoder.generator import ResidualUnit
from mlx_impl.vocoder.source import SourceModule
from tests.mutants.battery import loaded, mutant, wrap
from tests.mutants.speech_tokens import sampled_with

VOICE, WAVES = "tiny-conditioning", "tiny-vocoder"
GENERATOR = "vocoder.generator"
UNIT = f"{GENERATOR}.levels.0.source_resblock.units.0"
RESNET = "decoder.down_blocks.0.resnet"
BANK = "speaker_encoder.filter_bank"


def harmonics(voiced, unvoiced):
    """A source whose noise has those deviations."""

    def call(self, f0, phase, noise, observe=unobserved, before=None):
        on = observe("vocoder.voiced", f0 > self.config.threshold)
        sines = self.sine_gen(self.upsample(f0), phase, before)
        uv = self.upsample(on.astype(f0.dtype))[:, :, None]
        deviation = uv * voiced(self.config) + (1 - uv) * unvoiced(self.config)
        return mx.tanh(self.linear(observe("vocoder.harmonics", sines * uv + deviation * noise)))

    return lambda m: m.setattr(SourceModule, "__call__", call)


def third(config):
    return config.sine_amplitude / 3


mutant("source noise without its third", WAVES, "vocoder.harmonics", "term")(
    harmonics(lambda config: config.noise_deviation, lambda config: config.sine_amplitude)
)
mutant("noise of voiced frames ten times", WAVES, "vocoder.harmonics", "term")(
    harmonics(lambda config: 10 * config.noise_deviation, third)
)
mutant("noise of voiced frames left out", WAVES, "vocoder.harmonics", "term")(harmonics(lambda config: 0.0, third))


@mutant("residual times 0.7", WAVES, UNIT, "term")
def _(m):
    wrap(m, ResidualUnit, "__call__", lambda call, self, x: call(self, x) - 0.3 * x)


@mutant("memory's residual halved", VOICE, "tokenizer.encoder.blocks.0.attn.memory", "term")
def _(m):
    wrap(m, Memory, "__call__", lambda call, self, x: call(self, x) - 0.5 * x)


def timed(factor):
    def call(self, x, mask, t):
        h = self.block1(x, mask) + factor * self.time_proj(F.mish(t))[:, None, :]
        return self.block2(h, mask) + self.res_conv(x)

    return lambda m: m.setattr(CausalResnetBlock1D, "__call__", call)


mutant("time added twice", "flow", f"{RESNET}.block2.conv[step=0]", "term")(timed(2.0))
mutant("time not added", "flow", f"{RESNET}.block2.conv[step=0]", "term")(timed(0.0))


@mutant("pre-emphasis of 0.95", VOICE, f"{BANK}.frames.emphasised", "term")
def _(m):
    m.setattr(speaker_encoder, "PREEMPHASIS", 0.95)


def fade(silent, rising, ramp=lambda x: (1 - np.cos(np.pi * x)) / 2):
    """Some lengths of 20 ms silent, then some of the wave rising."""

    def call(wave, rate):
        step = rate // 50
        envelope = np.ones(wave.shape[1], np.float32)
        rise = ramp(np.linspace(0, 1, int(step * rising)))
        part = np.concatenate([np.zeros(int(step * silent)), rise])[: wave.shape[1]]
        envelope[: len(part)] = part
        return wave * mx.array(envelope)

    return lambda m: m.setattr(mlx_impl.vocoder.stage, "fade_in", call)


mutant("fade twice as long", WAVES, "vocoder.wave", "envelope")(fade(2, 2))
mutant("fade of a straight line", WAVES, "vocoder.wave", "envelope")(fade(1, 1, lambda x: x))
mutant("fade without silence", WAVES, "vocoder.wave", "envelope")(fade(0, 1))
mutant("silence alone for the fade", WAVES, "vocoder.wave", "envelope")(fade(1, 0))


def upsampled(change):
    def call(self, x):
        return self.conv(mx.pad(change(x, self.stride), ((0, 0), (2 * self.stride, 0), (0, 0))))

    return lambda m: m.setattr(Upsample1D, "__call__", call)


def stuffed(x, stride):
    return mx.stack([x, *[mx.zeros_like(x)] * (stride - 1)], axis=2).reshape(x.shape[0], -1, x.shape[2])


def straight(x, stride):
    following = mx.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    parts = [x + (following - x) * (k / stride) for k in range(stride)]
    return mx.stack(parts, axis=2).reshape(x.shape[0], -1, x.shape[2])


UP = "encoder.up_layer.conv"
mutant("zero-stuffed upsampling", "flow", UP, "upsampling")(upsampled(stuffed))
mutant("linear upsampling", "flow", UP, "upsampling")(upsampled(straight))


@mutant("f0 upsampled linearly", WAVES, "vocoder.source.sine_gen", "upsampling", "arithmetic", "phase")
def _(m):
    def upsample(self, x):
        return straight(x[:, :, None], self.config.frame_samples)[:, :, 0]

    m.setattr(SourceModule, "upsample", upsample)


def cosines(a, over):
    return lambda n: a - (1 - a) * np.cos(2 * np.pi * np.arange(n) / (n - over))


hamming, hamming_symmetric, hann_symmetric = cosines(0.54, 0), cosines(0.54, 1), cosines(0.5, 1)


def inverse(window):
    """Another window in the frames of the inverse transform alone."""

    def synthesis(n):
        angle = 2 * np.pi * np.outer(np.arange(n // 2 + 1), np.arange(n)) / n
        twice = np.full((n // 2 + 1, 1), 2 / n)
        twice[0] = twice[-1] = 1 / n
        return (np.vstack([twice * np.cos(angle), -twice * np.sin(angle)]) * window(n)).astype(np.float32)

    return lambda m: m.setattr(mlx_impl.ops.spectrum, "_synthesis", synthesis)


mutant("inverse transform by Hamming's window", WAVES, f"{GENERATOR}.istft", "window")(inverse(hamming))
mutant("inverse transform by a symmetric window", WAVES, f"{GENERATOR}.istft", "window")(inverse(hann_symmetric))
mutant("inverse transform by no window", WAVES, f"{GENERATOR}.istft", "window")(inverse(np.ones))


def kaldi(window):
    def patch(m):
        m.setattr(
            speaker_encoder,
            "povey_window",
            lambda length, dtype: mx.array(window(length).astype(np.float32)),
        )

    return patch


FRAMES = f"{BANK}.frames"
mutant("Hamming's window for Kaldi's", VOICE, FRAMES, "window")(kaldi(hamming_symmetric))
mutant("no window for Kaldi's", VOICE, FRAMES, "window", "term")(kaldi(np.ones))
mutant("Kaldi's window periodic", VOICE, FRAMES, "window")(kaldi(lambda n: cosines(0.5, 0)(n) ** 0.85))


@mutant("Hamming's window in the prompt's mel", VOICE, "prompt_mel.magnitudes", "window")
def _(m):
    m.setattr(
        mlx_impl.conditioning.mel, "hann_window", lambda length, dtype: mx.array(hamming(length).astype(np.float32))
    )


def filtered(name, change):
    def patch(m):
        module = mlx_impl.conditioning.mel if name == "mel_filters" else speaker_encoder
        wrap(m, module, name, change)

    return patch


def htk(f, rate, n_fft, bins, highest, dtype):
    corners = 700 * (np.exp(np.linspace(0, 1127 * np.log(1 + highest / 700), bins + 2) / 1127) - 1)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    hz = np.fft.rfftfreq(n_fft, 1 / rate)
    rise = np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre))
    return mx.array((np.maximum(0, rise) * 2 / (right - left)).astype(np.float32))


MEL = "prompt_mel.filtered"
mutant("mel scale of HTK", VOICE, MEL, "filters")(filtered("mel_filters", htk))
mutant("mel filters up to 12 kHz", VOICE, MEL, "filters")(
    filtered("mel_filters", lambda f, rate, n, bins, top, dtype: f(rate, n, bins, 1.5 * top, dtype))
)
mutant("Kaldi's filters from 0 Hz", VOICE, f"{BANK}.filtered", "filters")(
    filtered("kaldi_mel_filters", lambda f, rate, n, bins, lowest, dtype: f(rate, n, bins, 0.0, dtype))
)


@mutant("sincs cut off at 0.95", VOICE, "resample.kernel", "filters", "window", "arithmetic")
def _(m):
    def kernel(original, source, target, dtype):
        swaps, base, width = 6, min(source, target) * 0.95, (original(source, target, dtype).shape[1] - source) // 2
        t = (np.arange(-width, width + source) / source - np.arange(target)[:, None] / target) * base
        t = np.clip(t, -swaps, swaps)
        return mx.array((np.sinc(t) * np.cos(t * np.pi / swaps / 2) ** 2 * (base / source)).astype(np.float32))

    wrap(m, mlx_impl.conditioning.resample, "sinc_kernel", kernel)


def layer_norms(name, eps):
    def change(model):
        norms = [norm for path, norm in model.named_modules() if path.endswith(name) and hasattr(norm, "eps")]
        assert norms
        for norm in norms:
            norm.eps = eps

    return lambda m: (loaded(m, "encoder", change), loaded(m, "ode", change))[0]


CONFORMER = "encoder.encoders.0"
mutant("epsilon 1e-6 for 1e-12", "flow", f"{CONFORMER}.norm_mha", "normalisation")(layer_norms("norm_mha", 1e-6))
mutant("epsilon 1e-5 for 1e-12 before the feed-forward", "flow", f"{CONFORMER}.norm_ff", "normalisation")(
    layer_norms("norm_ff", 1e-5)
)
mutant(
    "epsilon 1e-6 for 1e-5 in the decoder",
    "flow",
    "decoder.down_blocks.0.transformer_blocks.0.norm1[step=0]",
    "normalisation",
)(layer_norms("norm1", 1e-6))
mutant("epsilon 1e-12 for 1e-5 in the embedding", "flow", "encoder.embed.norm", "normalisation")(
    layer_norms("embed.norm", 1e-12)
)


@mutant("epsilon 1e-6 for 1e-5 in the RMS norms", "t3", "t3.backbone.layers.0.input_layernorm", "normalisation")
def _(m):
    wrap(m, RMSNorm, "__init__", lambda init, self, width, eps: init(self, width, 1e-6))


def token(weights, levels=lambda digits: digits + 1):
    def call(self, x):
        digits = levels(mx.round(self.bound(self.project_down(x))).astype(mx.int32))
        return (digits * mx.array(weights(digits.shape[-1]))).sum(-1)

    return lambda m: m.setattr(FSQ, "__call__", call)


DIGITS = "tokenizer.quantizer"
mutant("first two digits exchanged", VOICE, DIGITS, "digits")(token(lambda n: [3, 1, *(3**i for i in range(2, n))]))
mutant("digits of base 4", VOICE, DIGITS, "digits")(token(lambda n: [4**i for i in range(n)]))
mutant("digits of the other sign", VOICE, DIGITS, "digits")(token(lambda n: [3**i for i in range(n)], lambda d: 1 - d))


def gates(*order):
    def step(original, gates, cell):
        return original(mx.concatenate([gates[i : i + 1] for i in order]), cell)

    return lambda m: wrap(m, mlx_impl.ops.lstm, "step", step)


mutant("forget and input gates exchanged", VOICE, "voice_encoder.encoder.lstm.0[of=t3]", "gates")(gates(1, 0, 2, 3))


@mutant("statistics of what is not rectified", VOICE, "speaker_encoder.stats", "activation", "statistic")
def _(m):
    seen = []

    def norm(original, self, x):
        seen[:] = [original(self, x)]
        return seen[0]

    wrap(m, speaker_encoder.BatchNorm, "__call__", norm)
    wrap(m, speaker_encoder.StatsPool, "__call__", lambda call, self, x: call(self, seen[0]))


@mutant("voice embedding not rectified", VOICE, "voice_encoder.encoder[of=t3]", "activation", "few values")
def _(m):
    def call(self, partials):
        x = partials
        for layer in self.lstm:
            x = layer(x)
        return voice_encoder.normalize(self.proj(x[:, -1]))

    m.setattr(voice_encoder.PartialEncoder, "__call__", call)


@mutant("mean over time of the squares", VOICE, "speaker_encoder.stats", "power", "statistic")
def _(m):
    def call(self, x):
        deviation = mx.sqrt(mx.var(x, axis=1, ddof=1))
        return mx.concatenate([mx.mean(mx.square(x), axis=1), deviation], axis=-1)

    m.setattr(speaker_encoder.StatsPool, "__call__", call)


def biases(name, segment):
    """A bias that was never loaded: random numbers."""

    def change(model):
        for path, module in model.named_modules():
            if path.endswith(name):
                random = np.random.default_rng(1).uniform(-1, 1, module.bias.shape) / math.sqrt(len(module.bias))
                module.bias = mx.array(random.astype(np.float32))

    return lambda m: loaded(m, segment, change)


mutant("random bias of a linear layer", "flow", f"{CONFORMER}.feed_forward", "offset", "weights")(
    biases("encoders.0.feed_forward.w_2", "encoder")
)
mutant("random bias of a convolution", "flow", "encoder.pre_lookahead_layer.conv1", "offset", "weights")(
    biases("pre_lookahead_layer.conv1", "encoder")
)
mutant("random bias of the classifier", WAVES, "vocoder.f0_predictor.classifier", "offset", "weights")(
    biases("f0_predictor.classifier", "source")
)
mutant("temperature 0.75 for 0.8", "t3", "t3.scores[token=0]", "gain")(sampled_with(temperature=0.75))
mutant("penalty 1.5 for 1.2", "t3", "t3.penalized[token=0]", "few values", "term")(sampled_with(repetition_penalty=1.5))
mutant("guidance 0.6 for 0.5", "t3", "t3.guided_logits[token=0]", "branches")(sampled_with(guidance=0.6))


@mutant("features less a mean of what is not limited", "quiet", BANK, "offset")
def _(m):
    encoder = speaker_encoder

    def call(self, wave):
        filtered = self.filtered(self.powers(self.frames(wave)))
        features = self.logs(self.floor(filtered))
        return features - mx.mean(mx.log(filtered + 1e-20), axis=1, keepdims=True)

    m.setattr(encoder.FilterBank, "__call__", call)
