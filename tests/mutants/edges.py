"""Faults that most cases hide: what a port adds, limits or takes for granted, and only an edge of its input shows.

`HIDDEN` says of each where it was never seen: in the cases of the same stage.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from functools import partial

import mlx.core as mx

import mlx_impl.conditioning.mel
import mlx_impl.conditioning.trim
import mlx_impl.conditioning.voice_encoder
import mlx_impl.encoder
import mlx_impl.flow
import mlx_impl.ops.attention
import mlx_impl.ops.functional
import mlx_impl.pipeline
import mlx_impl.t3.backbone
import mlx_impl.t3.condition_encoder
import mlx_impl.vocoder.generator
import mlx_impl.vocoder.stft
from mlx_impl.conditioning.conditioner import Conditioner, Prompt, Speaker
from mlx_impl.conditioning.mel import Floor
from mlx_impl.conditioning.resample import Resample
from mlx_impl.flow import Flow
from mlx_impl.ops.summation import mean_over_time
from spec.languages import prepare
from tests.mutants.battery import Patch, loaded, mutant, wrap

F = mlx_impl.ops.functional
ACTIVATION = "vocoder.generator.levels.0.source_resblock.units.0.activation1"
ATTENTION = "t3.backbone.layers.0.self_attn"
SLOPES = "tiny-vocoder-slopes"
QUIET = "tiny-conditioning-quiet"
WINDOWS = "tiny-conditioning-windows"
HIDDEN: dict[str, tuple[str, ...]] = {}
"""The older cases, by the name of the fault."""


def hidden(name: str, case: str, tap: str, older: tuple[str, ...], *families: str) -> partial[Patch]:
    """As `mutant`, of a fault that the `older` cases do not show."""
    HIDDEN[name] = older
    return mutant(name, case, tap, *families)


def snake(alpha, epsilon=1e-9):
    """Snake of another slope than that of the checkpoint."""

    def call(x, given):
        slope = alpha(given)
        return x + mx.square(mx.sin(slope * x)) / (slope + epsilon)

    return lambda m: m.setattr(F, "snake", call)


WAVES = ("tiny-vocoder-source",)
hidden("slope of Snake not below 1e-4", SLOPES, ACTIVATION, WAVES, "arithmetic")(
    snake(lambda alpha: mx.maximum(alpha, 1e-4))
)
hidden("slope of Snake without its sign", SLOPES, ACTIVATION, WAVES, "arithmetic")(snake(mx.abs))
hidden("nothing added to the slope of Snake", SLOPES, ACTIVATION, WAVES, "not finite")(
    snake(lambda alpha: alpha, epsilon=0)
)

FLOW = ("tiny-flow",)
SPEAKER = "spk_embed_affine_layer"


def divided(length):
    def patch(m):
        def normalize(x, eps):
            return x / length(mx.sqrt(mx.sum(mx.square(x), axis=1, keepdims=True)))

        m.setattr(mlx_impl.flow, "normalize", normalize)

    return patch


hidden("1e-8 added to the length of the x-vector", "tiny-flow-faint-speaker", SPEAKER, FLOW, "gain")(
    divided(lambda length: length + 1e-8)
)
hidden("x-vector divided by its length alone", "tiny-flow-no-speaker", SPEAKER, FLOW, "not finite")(
    divided(lambda length: length)
)


def steps(change):
    return lambda m: wrap(m, mlx_impl.pipeline, "time_grid", lambda grid, count, dtype: grid(change(count), dtype))


hidden("ten steps whatever is asked", "tiny-flow-7-steps", "ode.time_grid", FLOW, "shape")(steps(lambda count: 10))
hidden("pairs of steps", "tiny-flow-7-steps", "ode.time_grid", FLOW, "shape")(steps(lambda count: count // 2 * 2))

CHAIN = ("tiny-chain",)


@hidden("prompt mel cut to two frames a token", "tiny-chain-odd-prompt", "cond", CHAIN, "padding")
def _(m):
    def conditions(original, self, mu, frames, prompt_mel, embedding):
        return original(self, mu, frames, prompt_mel[:, : prompt_mel.shape[1] // 2 * 2], embedding)

    wrap(m, Flow, "conditions", conditions)


@hidden("mel from two frames a token of the prompt on", "tiny-chain-odd-prompt", "mel", CHAIN, "shape")
def _(m):
    def mel(original, self, state, index, observe):
        prompt = state["prompt_mel"]
        return original(self, state | {"prompt_mel": prompt[:, : prompt.shape[1] // 2 * 2]}, index, observe)

    wrap(m, mlx_impl.pipeline.Pipeline, "mel", mel)


@hidden("emotion of 0.5 whatever is asked", "tiny-t3-emotion", "t3.conditioning.emotion_proj", ("tiny-t3",), "gain")
def _(m):
    def call(original, self, voice, prompt, emotion, *args):
        return original(self, voice, prompt, mx.full(emotion.shape, 0.5), *args)

    wrap(m, mlx_impl.t3.condition_encoder.ConditionEncoder, "__call__", call)


@hidden(
    "cache of 256 positions",
    "tiny-t3-long",
    f"{ATTENTION}.attention[token=259]",
    ("tiny-t3-greedy",),
    "shape",
)
def _(m):
    def update(original, self, layer, keys, values):
        return tuple(kept[:, :, -256:] for kept in original(self, layer, keys, values))

    wrap(m, mlx_impl.t3.backbone.KVCache, "update", update)


@hidden("speech behind the stop token", "tiny-tokens", "tokens", ("tiny",), "shape")
def _(m):
    m.setattr(
        mlx_impl.pipeline,
        "speech_only",
        lambda tokens, config: [token for token in tokens if token < config.start_speech],
    )


@hidden("typographic quotes kept", "tiny-text", "text.normalized", ("tiny",), "decision")
def _(m):
    kept = str.maketrans("“”‘’", "\ue000\ue001\ue002\ue003")
    back = str.maketrans("\ue000\ue001\ue002\ue003", "“”‘’")

    def normalize(original, text, multilingual):
        return original(text.translate(kept), multilingual).translate(back)

    wrap(m, mlx_impl.pipeline, "normalize_punctuation", normalize)


@hidden("composed letters: NFC for NFKD", "tiny-text-french", "text.prepared", ("tiny-text",), "shape")
def _(m):
    def prepared(self, text, language):
        return f"[{language}]" + prepare(unicodedata.normalize("NFC", text.lower()), language, self.file.parent)

    def change(model):
        if model.tokenizer.config.multilingual:
            model.tokenizer.prepared = partial(prepared, model.tokenizer)

    loaded(m, "text", change)


VOICE = ("tiny-conditioning",)


def floor(usual, other):
    """A limit of the mels that is another one."""

    def patch(m):
        def init(original, self, limit):
            original(self, other if limit == usual else limit)

        wrap(m, Floor, "__init__", init)

    return patch


hidden("mel not below 1e-6", QUIET, "prompt_mel.floor", VOICE, "limit", "term")(floor(1e-5, 1e-6))
hidden("log mel not below 1e-12", QUIET, "tokenizer.log_mel.floor", VOICE, "limit", "term")(floor(1e-10, 1e-12))


@hidden("first window of the voice alone", WINDOWS, "voice_encoder.partials[of=t3]", VOICE, "shape")
def _(m):
    m.setattr(mlx_impl.conditioning.voice_encoder, "window_starts", lambda frames, config: [0])


@hidden("mean of windows not of length 1", WINDOWS, "voice_encoder[of=t3]", VOICE, "gain", "scale")
def _(m):
    def call(self, wave):
        embeddings = self.encoder(self.partials(self.mel(wave)))
        return mean_over_time(embeddings.reshape(len(wave), -1, embeddings.shape[-1]))[:, 0]

    m.setattr(mlx_impl.conditioning.voice_encoder.VoiceEncoder, "__call__", call)


@hidden("prompt tokens for half a pair of frames", WINDOWS, "flow_prompt_tokens", VOICE, "shape")
def _(m):
    def prompt(self, voice_24):
        mel, voice_16 = self.prompt_mel(voice_24), self.resample(voice_24)
        embedding = self.speaker_encoder(voice_16)
        return Prompt(self.tokenizer(voice_16), mel, embedding)

    m.setattr(Conditioner, "prompt", prompt)


@hidden("silence trimmed to nothing", "tiny-conditioning-silent", "trim.loudness", VOICE, "not finite")
def _(m):
    m.setattr(mlx_impl.conditioning.trim, "QUIETEST", 0.0)


TWO, LONG_VOICE, LONG, LOUD = "tiny-conditioning-two", "tiny-conditioning-long", "tiny-flow-long", "tiny-vocoder-loud"


@hidden("windows of the voice that do not overlap", WINDOWS, "voice_encoder.partials[of=t3]", VOICE, "shape")
def _(m):
    def starts(frames, config):
        count, rest = divmod(frames, config.frames)
        return [config.frames * window for window in range(count + (rest / config.frames >= 0.8))]

    m.setattr(mlx_impl.conditioning.voice_encoder, "window_starts", starts)


@hidden("resampled length rounded down", TWO, "resample", VOICE, "shape")
def _(m):
    def call(original, self, wave):
        return original(self, wave)[:, : self.target * wave.shape[1] // self.source]

    wrap(m, Resample, "__call__", call)


@hidden("log mel below the maximum of the batch", TWO, "tokenizer.log_mel.decades", VOICE, "limit")
def _(m):
    def call(self, x):
        decades = mx.log10(x)
        return mx.maximum(decades, decades.max() - 8.0)

    m.setattr(mlx_impl.conditioning.mel.Decades, "__call__", call)


@hidden("T3's prompt not cut", LONG_VOICE, "tokenizer.encoder.conv1[of=t3]", VOICE, "shape")
def _(m):
    def speaker(self, voice_16, trimmed_16):
        return Speaker(self.tokenizer(voice_16), self.voice_encoder(trimmed_16))

    m.setattr(Conditioner, "speaker", speaker)


@hidden("magnitudes limited at 1000", LOUD, "vocoder.generator.istft.polar", WAVES, "arithmetic", "limit")
def _(m):
    wrap(m, mlx_impl.vocoder.stft.Polar, "__init__", lambda original, self, limit: original(self, 1000.0))


@hidden("samples limited at 1", LOUD, "vocoder.generator", WAVES, "limit")
def _(m):
    def finish(original, self, x, *rest):
        self.config = replace(self.config, audio_limit=1.0)
        return original(self, x, *rest)

    wrap(m, mlx_impl.vocoder.generator.HiFTGenerator, "finish", finish)


@hidden("relative positions not beyond 64", LONG, "encoder.positions", FLOW, "arithmetic", "limit")
def _(m):
    class Clipped(mlx_impl.encoder.RelativePositions):
        def __call__(self, x):
            table = super().__call__(x)
            frames = x.shape[1]
            return table[:, frames - 1 - mx.clip(mx.arange(frames - 1, -frames, -1), -64, 64)]

    m.setattr(mlx_impl.encoder, "RelativePositions", Clipped)


def first_half_twice(module):
    """Halves of which the second is the first."""

    def patch(m):
        def halves(f, *arrays, axis=0):
            half = f(*(array if array.shape[axis] == 1 else mx.split(array, 2, axis)[0] for array in arrays))
            return mx.concatenate([half, half], axis=axis)

        m.setattr(module, "halves", halves)

    return patch


SCORES, VALUES = "encoder.encoders.0.self_attn", "decoder.down_blocks.0.transformer_blocks.0.ff[step=0]"
hidden("second half of many scores as the first", LONG, SCORES, FLOW, "mixing")(
    first_half_twice(mlx_impl.ops.attention)
)
hidden("second half of many values as the first", LONG, VALUES, FLOW, "branches")(first_half_twice(F))


@hidden("padding of the first item for all", "tiny-chain-batch", "encoder.embed.linear", CHAIN, "padding")
def _(m):
    wrap(m, mlx_impl.flow, "padding_mask", lambda mask, lengths, *rest: mask([lengths[0]] * len(lengths), *rest))
