"""Faults of conditioning: spectrograms, tokenizer, speaker and voice encoder."""

from __future__ import annotations

import math

import mlx.core as mx
import numpy as np

import mlx_impl.conditioning.mel
import mlx_impl.conditioning.resample
import mlx_impl.conditioning.s3tokenizer
import mlx_impl.conditioning.speaker_encoder
import mlx_impl.conditioning.trim
import mlx_impl.conditioning.voice_encoder
import mlx_impl.ops.functional
import mlx_impl.weights.conditioning
from mlx_impl.conditioning.mel import Decades, Floor, LogMelSpectrogram, PromptMagnitudes, PromptMel, VoicePowers
from mlx_impl.conditioning.resample import Resample
from mlx_impl.conditioning.s3tokenizer import FSQ, Memory
from mlx_impl.conditioning.speaker_encoder import BatchNorm, FramePowers, SegmentAverages, StatsPool
from mlx_impl.ops.summation import mean_over_time
from tests.mutants.activations import tanh_gelu
from tests.mutants.battery import checkpoint, constant, mutant, wrap

F = mlx_impl.ops.functional
VOICE = "tiny-conditioning"
TOKENIZER = "tokenizer.encoder"
DENSE = "speaker_encoder.blocks.0.layers.0"


@mutant("frames of trimming not centred", VOICE, "trim.loudness", "shape")
def _(m):
    def loudness(wave):
        frames = mlx_impl.conditioning.trim.framed(wave, 2048, 512)
        decibels = 10 * mx.log10(mx.maximum(mx.mean(mx.square(frames), axis=-1), 1e-10))
        return decibels - mx.max(decibels, axis=1, keepdims=True)

    m.setattr(mlx_impl.conditioning.trim, "loudness", loudness)


@mutant("voice not trimmed", VOICE, "trim.loud", "decision")
def _(m):
    m.setattr(mlx_impl.conditioning.trim, "SILENCE", 1000.0)


@mutant("log10 for the natural logarithm", VOICE, "prompt_mel", "log base")
def _(m):
    wrap(m, PromptMel, "__call__", lambda call, self, wave: call(self, wave) / math.log(10))


@mutant("decibels for nepers", VOICE, "prompt_mel", "log base")
def _(m):
    wrap(m, PromptMel, "__call__", lambda call, self, wave: call(self, wave) * (20 / math.log(10)))


@mutant("log of powers for magnitudes", VOICE, "prompt_mel.magnitudes", "power", "function")
def _(m):
    wrap(m, PromptMagnitudes, "__call__", lambda call, self, wave: mx.square(call(self, wave)))


@mutant("mel of magnitudes for powers", VOICE, "voice_encoder.mel.powers[of=t3]", "power", "function")
def _(m):
    wrap(m, VoicePowers, "__call__", lambda call, self, wave: mx.sqrt(call(self, wave)))


@mutant("magnitudes for powers in the x-vector", VOICE, "speaker_encoder.filter_bank.powers", "power", "function")
def _(m):
    wrap(m, FramePowers, "__call__", lambda call, self, frames: mx.sqrt(call(self, frames)))


@mutant("pre-emphasis left out", VOICE, "speaker_encoder.filter_bank.frames.emphasised", "term")
def _(m):
    m.setattr(mlx_impl.conditioning.speaker_encoder, "PREEMPHASIS", 0.0)


@mutant("frames keep their means", VOICE, "speaker_encoder.filter_bank.frames.centred", "offset", "normalisation")
def _(m):
    speaker_encoder = mlx_impl.conditioning.speaker_encoder
    whole = staticmethod(lambda wave: speaker_encoder.framed(wave, speaker_encoder.FRAME, speaker_encoder.HOP))
    m.setattr(speaker_encoder.Centred, "__call__", lambda self, wave: whole(wave))


@mutant("Hann's window for Kaldi's", VOICE, "speaker_encoder.filter_bank.frames", "normalisation", "window")
def _(m):
    def window(length, dtype):
        return mx.array((0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))).astype(np.float32))

    m.setattr(mlx_impl.conditioning.speaker_encoder, "povey_window", window)


@mutant("log of 1e-10 for that of 1e-5", "quiet", "prompt_mel.floor", "limit", "term")
def _(m):
    wrap(m, Floor, "__init__", lambda init, self, lowest: init(self, 1e-10 if lowest == 1e-5 else lowest))


@mutant("log mel not normalised", VOICE, "tokenizer.log_mel", "gain and offset", "term")
def _(m):
    wrap(m, LogMelSpectrogram, "__call__", lambda call, self, wave: 4 * call(self, wave) - 4)


@mutant("log mel not limited", VOICE, "tokenizer.log_mel.decades", "limit")
def _(m):
    m.setattr(Decades, "__call__", lambda self, x: mx.log10(x))


def filters(change):
    def patch(m):
        wrap(m, mlx_impl.conditioning.mel, "mel_filters", lambda f, *args: change(f(*args)))

    return patch


mutant("filters without their areas", VOICE, "prompt_mel.filtered", "offset", "normalisation", "filters")(
    filters(lambda table: table / mx.max(table, axis=1, keepdims=True))
)
mutant("filters upside down", VOICE, "prompt_mel.filtered", "permutation")(filters(lambda table: table[::-1]))


@mutant("mel frames half a window late", VOICE, "prompt_mel.magnitudes", "shape", "shift")
def _(m):
    wrap(m, mlx_impl.conditioning.mel, "reflected", lambda f, wave, edge: f(wave, edge)[:, edge:])


@mutant("mel a frame early", VOICE, "prompt_mel", "shift")
def _(m):
    def call(original, self, wave):
        mel = original(self, wave)
        return mx.concatenate([mel[:, 1:], mel[:, -1:]], axis=1)

    wrap(m, PromptMel, "__call__", call)


def late(wave, samples):
    return mx.concatenate([mx.zeros_like(wave[:, :samples]), wave[:, :-samples]], axis=1)


@mutant("mel half a hop late", VOICE, "prompt_mel.magnitudes", "shift")
def _(m):
    wrap(m, PromptMel, "__call__", lambda call, self, wave: call(self, late(wave, 240)))


@mutant("log mel half a hop late", VOICE, "tokenizer.log_mel.powers", "shift")
def _(m):
    wrap(m, LogMelSpectrogram, "__call__", lambda call, self, wave: call(self, late(wave, 80)))


@mutant("symmetric window in the voice's mel", VOICE, "prompt_mel.magnitudes", "window")
def _(m):
    def window(length, dtype):
        return mx.array((0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))).astype(np.float32))

    m.setattr(mlx_impl.conditioning.mel, "hann_window", window)


@mutant("sincs of 64 zero crossings for 6", VOICE, "resample.kernel", "shape")
def _(m):
    def kernel(source, target, dtype):
        swaps, base = 64, min(source, target) * 0.99
        width = math.ceil(swaps * source / base)
        offsets = np.arange(-width, width + source) / source
        t = np.clip((offsets - np.arange(target)[:, None] / target) * base, -swaps, swaps)
        return mx.array((np.sinc(t) * np.cos(t * np.pi / swaps / 2) ** 2 * (base / source)).astype(np.float32))

    m.setattr(mlx_impl.conditioning.resample, "sinc_kernel", kernel)


@mutant("sincs without their window", VOICE, "resample.kernel", "arithmetic", "window")
def _(m):
    def kernel(original, source, target, dtype):
        base, width = min(source, target) * 0.99, (original(source, target, dtype).shape[1] - source) // 2
        t = (np.arange(-width, width + source) / source - np.arange(target)[:, None] / target) * base
        return mx.array((np.sinc(t) * (base / source)).astype(np.float32))

    wrap(m, mlx_impl.conditioning.resample, "sinc_kernel", kernel)


@mutant("resampled a sample late", VOICE, "resample", "shift")
def _(m):
    def call(original, self, wave):
        y = original(self, wave)
        return mx.concatenate([y[:, :1], y[:, :-1]], axis=1)

    wrap(m, Resample, "__call__", call)


@mutant("segments of twice the length", VOICE, f"{DENSE}.cam.segment_averages", "mixing", "arithmetic")
def _(m):
    wrap(m, SegmentAverages, "__init__", lambda init, self, segment: init(self, 2 * segment))


@mutant("Bessel's correction left out", VOICE, "speaker_encoder.stats", "Bessel", "statistic")
def _(m):
    def call(self, x):
        mean = mean_over_time(x)
        return mx.concatenate([mean, mx.sqrt(mean_over_time(mx.square(x - mean)))], axis=-1)[:, 0]

    m.setattr(StatsPool, "__call__", call)


@mutant("variance for deviation", VOICE, "speaker_encoder.stats", "power", "statistic")
def _(m):
    def call(original, self, x):
        mean, deviation = mx.split(original(self, x), 2, axis=-1)
        return mx.concatenate([mean, mx.square(deviation)], axis=-1)

    wrap(m, StatsPool, "__call__", call)


@mutant("train mode left on", VOICE, "speaker_encoder.head.norm1", "normalisation")
def _(m):
    def call(self, x):
        axes = tuple(range(x.ndim - 1))
        mean, variance = mx.mean(x, axis=axes), mx.var(x, axis=axes)
        normed = (x - mean) / mx.sqrt(variance + 1e-5)
        return normed * self.weight + self.bias if "weight" in self else normed

    m.setattr(BatchNorm, "__call__", call)


@mutant("epsilon 1e-3 in the batch norms", VOICE, "speaker_encoder.head.norm1", "normalisation", "gain and offset")
def _(m):
    def call(self, x):
        scale = 1 / mx.sqrt(self.running_var + 1e-3)
        if "weight" not in self:
            return (x - self.running_mean) * scale
        scale = scale * self.weight
        return x * scale + (self.bias - self.running_mean * scale)

    m.setattr(BatchNorm, "__call__", call)


@mutant("running mean ignored", VOICE, "speaker_encoder.head.norm1", "offset", "weights")
def _(m):
    constant(m, "running_mean", 0)


@mutant("tanh GELU in the tokenizer", VOICE, f"{TOKENIZER}.conv2", "activation")
def _(m):
    m.setattr(F, "gelu", tanh_gelu)


@mutant("memory without its residual", VOICE, f"{TOKENIZER}.blocks.0.attn.memory", "term")
def _(m):
    wrap(m, Memory, "__call__", lambda call, self, x: call(self, x) - x)


@mutant("memory that sees the past alone", VOICE, f"{TOKENIZER}.blocks.0.attn.memory.conv", "shift")
def _(m):
    def call(self, x):
        return self.conv(mx.pad(x, ((0, 0), (self.left + self.right, 0), (0, 0)))) + x

    m.setattr(Memory, "__call__", call)


@mutant("tokenizer without rotary positions", VOICE, f"{TOKENIZER}.blocks.0.attn.out", "mixing")
def _(m):
    m.setattr(mlx_impl.conditioning.s3tokenizer, "rotate", lambda x, cos, sin: x)


@mutant("digits from -1", VOICE, "tokenizer.quantizer", "offset", "digits")
def _(m):
    def call(self, x):
        digits = mx.round(self.bound(self.project_down(x))).astype(mx.int32)
        return (digits * 3 ** mx.arange(digits.shape[-1])).sum(-1)

    m.setattr(FSQ, "__call__", call)


@mutant("digits highest first", VOICE, "tokenizer.quantizer", "decision", "permutation", "digits")
def _(m):
    def call(self, x):
        digits = mx.round(self.bound(self.project_down(x))).astype(mx.int32)[..., ::-1] + 1
        return (digits * 3 ** mx.arange(digits.shape[-1])).sum(-1)

    m.setattr(FSQ, "__call__", call)


@mutant("voice embedding not of length 1", VOICE, "voice_encoder.encoder[of=t3]", "gain", "normalisation", "scale")
def _(m):
    m.setattr(mlx_impl.conditioning.voice_encoder, "normalize", lambda x: x)


@mutant("gates in another order", VOICE, "voice_encoder.encoder.lstm.0[of=t3]", "weights", "gates")
def _(m):
    def change(tensors):
        for key, array in tensors.items():
            if key.startswith("lstm.weight"):
                parts = np.split(array, 4)
                tensors[key] = np.concatenate([parts[0], parts[1], parts[3], parts[2]])

    checkpoint(m, change)


@mutant("one of two biases lost", VOICE, "voice_encoder.encoder.lstm.0[of=t3]", "weights", "gates")
def _(m):
    constant(m, "lstm.bias_hh", 0)


@mutant("sum of two partials for their mean", VOICE, "voice_encoder[of=t3]", "gain", "scale")
def _(m):
    wrap(m, mlx_impl.conditioning.voice_encoder.VoiceEncoder, "__call__", lambda f, self, wave: 2 * f(self, wave))
