"""Faults of the vocoder."""

from __future__ import annotations

import math
from dataclasses import replace

import mlx.core as mx
import numpy as np
from mlx import nn

import mlx_impl.ops.functional
import mlx_impl.ops.spectrum
import mlx_impl.ops.taps
import mlx_impl.vocoder.generator
import mlx_impl.vocoder.source
import mlx_impl.vocoder.stage
import mlx_impl.weights.stored.fold
from mlx_impl.ode import unobserved
from mlx_impl.ops.convolution import Conv1d
from mlx_impl.vocoder import Vocoder
from mlx_impl.vocoder.f0 import ConvRNNF0Predictor
from mlx_impl.vocoder.generator import HiFTGenerator, Join, Level, ResidualUnit
from mlx_impl.vocoder.source import SineGenerator, SourceModule
from mlx_impl.vocoder.stft import STFT
from tests.mutants.battery import constant, loaded, mutant, wrap

F = mlx_impl.ops.functional
GENERATOR = "vocoder.generator"
UNIT = f"{GENERATOR}.levels.0.source_resblock.units.0"


def finish(magnitude=F.exp, phase=mx.sin):
    def call(self, x, observe=unobserved):
        x = self.conv_post(self.activation(x)).astype(mx.float32)
        bins = self.config.n_fft // 2 + 1
        amplitude = observe("vocoder.magnitude", magnitude(x[:, :, :bins]))
        angle = observe("vocoder.phase", phase(x[:, :, bins:]))
        limit = self.config.audio_limit
        return mx.clip(self.istft(amplitude, angle), -limit, limit)

    return call


@mutant("last slope 0.1 for 0.01", "tiny-vocoder", f"{GENERATOR}.activation", "activation")
def _(m):
    def change(model):
        model.vocoder.generator.activation.slope = 0.1

    loaded(m, "wave", change)


@mutant("slope 0.01 for 0.1", "tiny-vocoder", f"{GENERATOR}.levels.0.activation", "activation")
def _(m):
    def change(model):
        for level in model.vocoder.generator.levels:
            level.activation.slope = 0.01

    loaded(m, "wave", change)


@mutant("a frame repeated for the reflected one", "tiny-vocoder", f"{GENERATOR}.levels.2.join", "arithmetic")
def _(m):
    def call(original, self, x, source):
        return mx.concatenate([x[:, :1], x], axis=1) + source if self.last else original(self, x, source)

    wrap(m, Join, "__call__", call)


@mutant("magnitude limited to 2", "tiny-vocoder", f"{GENERATOR}.istft.polar", "few values", "arithmetic")
def _(m):
    def change(model):
        model.vocoder.generator.istft.polar.limit = 2.0

    loaded(m, "wave", change)


@mutant("sine of the phase not taken", "tiny-vocoder", "vocoder.phase", "function")
def _(m):
    m.setattr(HiFTGenerator, "finish", finish(phase=lambda x: x))


@mutant("phase wrapped the other way", "tiny-vocoder", "vocoder.phase", "phase")
def _(m):
    def wrapped(x):
        y = mx.sin(x)
        return mx.where(y < 0, y + 2 * math.pi, y)

    m.setattr(HiFTGenerator, "finish", finish(phase=wrapped))


@mutant("exponential not taken", "tiny-vocoder", "vocoder.magnitude", "function")
def _(m):
    m.setattr(HiFTGenerator, "finish", finish(magnitude=lambda x: x))


@mutant("power for magnitude", "tiny-vocoder", "vocoder.magnitude", "power", "function")
def _(m):
    m.setattr(HiFTGenerator, "finish", finish(magnitude=lambda x: F.exp(2 * x)))


@mutant("weight norm over the wrong axes", "tiny-vocoder", "vocoder.f0_predictor.convs.0", "weights")
def _(m):
    def fold(original, g, v, dtype=np.float32):
        norm = np.sqrt(np.sum(np.square(v, dtype=np.float64), axis=(0, 2), keepdims=True))
        return (g * v / norm).astype(dtype)

    wrap(m, mlx_impl.weights.stored.fold, "fold", fold)


@mutant("weight norm without its gain", "tiny-vocoder", "vocoder.f0_predictor.convs.0", "weights")
def _(m):
    constant(m, ".original0", 1)


@mutant("ConvTranspose treated as Conv", "tiny-vocoder", f"{GENERATOR}.levels.0.up", "weights")
def _(m):
    def change(model):
        for level in model.vocoder.generator.levels:
            level.up.weight = level.up.weight[:, ::-1]

    loaded(m, "wave", change)


@mutant("vocoder weights never passed", "tiny-vocoder", "vocoder.f0_predictor.convs.0", "weights")
def _(m):
    def change(model):
        mx.random.seed(3)
        model.vocoder = Vocoder(model.vocoder.config)
        model.vocoder.eval()

    loaded(m, "wave", change)


@mutant("Snake times alpha", "tiny-vocoder", f"{UNIT}.activation1", "term")
def _(m):
    wrap(m, F, "snake", lambda f, x, alpha: x + (f(x, alpha) - x) * alpha * alpha)


@mutant("dilation ignored", "tiny-vocoder", f"{GENERATOR}.levels.0.source_resblock.units.1.conv1", "arithmetic")
def _(m):
    def call(original, self, x):
        if self.dilation == 1:
            return original(self, x)
        half = self.weight.shape[1] // 2
        x = mx.pad(x, ((0, 0), (half, half), (0, 0)))
        return mlx_impl.ops.taps.tapwise_conv1d(x, self.weight, self.stride, 1) + self.bias

    wrap(m, Conv1d, "__call__", call)


@mutant("residual added twice", "tiny-vocoder", UNIT, "term")
def _(m):
    wrap(m, ResidualUnit, "__call__", lambda call, self, x: call(self, x) + x)


@mutant("residual left out", "tiny-vocoder", UNIT, "term")
def _(m):
    wrap(m, ResidualUnit, "__call__", lambda call, self, x: call(self, x) - x)


@mutant("sum of the blocks for their mean", "tiny-vocoder", f"{GENERATOR}.levels.0", "gain", "scale")
def _(m):
    wrap(m, Level, "__call__", lambda call, self, *args: call(self, *args) * len(self.resblocks))


@mutant("iSTFT sum of w for w squared", "tiny-vocoder", f"{GENERATOR}.istft", "gain", "window")
def _(m):
    def total(n_fft, hop, frames):
        sums = np.zeros((n_fft // hop + frames - 1, hop))
        for part, window in enumerate(mlx_impl.ops.spectrum.hann_window(n_fft).reshape(-1, hop)):
            sums[part : part + frames] += window
        return mx.array(sums.reshape(-1).astype(np.float32))

    m.setattr(mlx_impl.ops.spectrum, "_window_sum", total)


@mutant("iSTFT not divided by the windows", "tiny-vocoder", f"{GENERATOR}.istft", "gain", "window")
def _(m):
    wrap(m, mlx_impl.ops.spectrum, "_window_sum", lambda f, *args: mx.ones_like(f(*args)))


@mutant("rfft scaling", "tiny-vocoder", f"{GENERATOR}.istft", "gain", "scale")
def _(m):
    wrap(m, mlx_impl.ops.spectrum, "_synthesis", lambda f, n: n * f(n))


@mutant("iSTFT of every other frame louder", "tiny-vocoder", f"{GENERATOR}.istft", "period")
def _(m):
    def total(original, n_fft, hop, frames):
        sums = original(n_fft, hop, frames)
        return sums * mx.where(mx.arange(len(sums)) % (2 * hop) < hop, 1.2, 1.0)

    wrap(m, mlx_impl.ops.spectrum, "_window_sum", total)


def stft(pad, window=None):
    def call(self, x):
        x = pad(x, self.n_fft // 2)
        batch, samples = x.shape
        frames = (samples - self.n_fft) // self.hop + 1
        frames = mx.as_strided(x, (batch, frames, self.n_fft), (samples, self.hop, 1))
        return frames @ mx.array(mlx_impl.ops.spectrum._analysis(self.n_fft))

    return call


@mutant("reflection pad side", "tiny-vocoder", f"{GENERATOR}.stft", "shift")
def _(m):
    m.setattr(STFT, "__call__", stft(lambda x, half: mx.concatenate([x[:, 2 * half : 0 : -1], x], axis=1)))


@mutant("zeros for the reflection", "tiny-vocoder", f"{GENERATOR}.stft", "arithmetic", "padding")
def _(m):
    m.setattr(STFT, "__call__", stft(lambda x, half: mx.pad(x, ((0, 0), (half, half)))))


@mutant("symmetric window for periodic", "tiny-vocoder", f"{GENERATOR}.stft", "window")
def _(m):
    def analysis(n):
        angle = 2 * np.pi * np.outer(np.arange(n), np.arange(n // 2 + 1)) / n
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / (n - 1))
        return (window[:, None] * np.hstack([np.cos(angle), -np.sin(angle)])).astype(np.float32)

    m.setattr(mlx_impl.ops.spectrum, "_analysis", analysis)


@mutant("imaginary part of the other sign", "tiny-vocoder", f"{GENERATOR}.stft", "sign")
def _(m):
    def analysis(original, n):
        matrix = original(n).copy()
        matrix[:, n // 2 + 1 :] *= -1
        return matrix

    wrap(m, mlx_impl.ops.spectrum, "_analysis", analysis)


@mutant("phase summed in float32 over 10 s", "ten seconds", "vocoder.source.sine_gen", "phase")
def _(m):
    def call(self, f0, phase, before=None):
        harmonic = mx.arange(1, self.harmonics + 1).astype(mx.float32)
        turns = mx.cumsum(f0[:, :, None] * harmonic / 24000, axis=1) % 1
        start = mx.concatenate([mx.zeros_like(phase[:, :1]), phase[:, 1:]], axis=1)
        return self.amplitude * mx.sin(2 * math.pi * turns + start[:, None, :])

    m.setattr(SineGenerator, "__call__", call)


@mutant("fundamental with a phase of its own", "tiny-vocoder", "vocoder.source.sine_gen", "phase")
def _(m):
    def call(self, f0, phase, before=None):
        harmonic = mx.arange(1, self.harmonics + 1, dtype=mx.int64)
        fixed = mx.round(f0 * 2.0**26).astype(mx.int64)
        total = (mx.cumsum(fixed, axis=1) % self.cycle)[:, :, None] * harmonic % self.cycle
        theta = total.astype(mx.float32) * (2 * math.pi / self.cycle)
        return self.amplitude * mx.sin(theta + phase[:, None, :])

    m.setattr(SineGenerator, "__call__", call)


@mutant("size of f0 not taken", "tiny-vocoder", "vocoder.f0_predictor", "sign", "offset", "gain")
def _(m):
    def call(self, mel):
        x = mel
        for conv in self.convs:
            h = conv(x)
            x = mx.where(h > 0, h, mx.expm1(h))
        return -mx.abs(self.classifier(x).squeeze(-1))

    m.setattr(ConvRNNF0Predictor, "__call__", call)


@mutant("ReLU for ELU", "tiny-vocoder", "vocoder.f0_predictor.convs.1", "activation")
def _(m):
    def call(self, mel):
        x = mel
        for conv in self.convs:
            x = nn.relu(conv(x))
        return mx.abs(self.classifier(x).squeeze(-1))

    m.setattr(ConvRNNF0Predictor, "__call__", call)


@mutant("every frame unvoiced", "tiny-vocoder", "vocoder.voiced", "decision")
def _(m):
    def change(model):
        model.vocoder.source.config = _threshold(model.vocoder.config, 1e6)

    loaded(m, "source", change)


def _threshold(config, value):
    return replace(config, threshold=value)


@mutant("tanh of the source not taken", "tiny-vocoder", "vocoder.source", "function", "activation")
def _(m):
    def call(original, self, *args):
        return mx.arctanh(mx.clip(original(self, *args), -0.999999, 0.999999))

    wrap(m, SourceModule, "__call__", call)


@mutant("no fade", "tiny-vocoder", "vocoder.wave", "term", "envelope")
def _(m):
    m.setattr(mlx_impl.vocoder.stage, "fade_in", lambda wave, rate: wave)


@mutant("wave half a hop late", "tiny-vocoder", "vocoder.wave", "shift")
def _(m):
    def call(original, wave, rate):
        wave = original(wave, rate)
        return mx.concatenate([mx.zeros_like(wave[:, :240]), wave[:, :-240]], axis=1)

    wrap(m, mlx_impl.vocoder.stage, "fade_in", call)
