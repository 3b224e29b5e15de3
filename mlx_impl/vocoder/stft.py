"""The short-time Fourier transform of the source, and the inverse one that makes the wave.

Upstream: `_stft` and `_istft` of `HiFTGenerator` in `chatterbox/models/s3gen/hifigan.py`. With 16 points, a product
with the transform's matrix, the window in it, is faster than an FFT.
"""

from __future__ import annotations

from functools import lru_cache

import mlx.core as mx
import numpy as np
from mlx import nn

from mlx_impl.ops.convolution import overlap_add
from mlx_impl.ops.linear import matmul
from mlx_impl.ops.precision import working_float
from spec.config import VocoderConfig
from spec.window import hann_window


class STFT(nn.Module):
    """`b t` -> `b t c`. Signal of N samples -> the real, then the imaginary parts of N / hop + 1 frames.

    Frames are centred on every hop-th sample; the signal is reflected at its ends.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop

    def __call__(self, x: mx.array) -> mx.array:
        half = self.n_fft // 2
        x = mx.concatenate([x[:, half:0:-1], x, x[:, -2 : -half - 2 : -1]], axis=1)
        batch, samples = x.shape
        frames = (samples - self.n_fft) // self.hop + 1
        frames = mx.as_strided(x, (batch, frames, self.n_fft), (samples, self.hop, 1))
        return matmul(frames, mx.array(_analysis(self.n_fft)))


class ISTFT(nn.Module):
    """`b t c`, `b t c` -> `b t`. Magnitude and phase in rad of F frames -> hop (F - 1) samples.

    Magnitudes are limited first. The inverse of `STFT`: windowed frames are added and divided by the sum of the squared
    windows.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.n_fft, self.hop, self.limit = config.n_fft, config.hop, config.magnitude_limit

    def __call__(self, magnitude: mx.array, phase: mx.array) -> mx.array:
        magnitude = mx.minimum(magnitude, self.limit)
        spectrum = mx.concatenate([magnitude * mx.cos(phase), magnitude * mx.sin(phase)], axis=-1)
        frames = matmul(spectrum, mx.array(_synthesis(self.n_fft)))  # (B, F, n_fft)
        half = self.n_fft // 2
        wave = overlap_add(frames[..., None], self.hop)[:, half:-half, 0]  # (B, hop (F - 1))
        return wave / _window_sum(self.n_fft, self.hop, frames.shape[1])[half:-half]


@lru_cache
def _analysis(n_fft: int) -> np.ndarray:
    """Samples to real and imaginary parts, the window included: `(n_fft, n_fft + 2)`."""
    angle = 2 * np.pi * np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) / n_fft
    return (hann_window(n_fft)[:, None] * np.hstack([np.cos(angle), -np.sin(angle)])).astype(working_float())


@lru_cache
def _synthesis(n_fft: int) -> np.ndarray:
    """Real and imaginary parts to samples, the window included: `(n_fft + 2, n_fft)`."""
    angle = 2 * np.pi * np.outer(np.arange(n_fft // 2 + 1), np.arange(n_fft)) / n_fft
    twice = np.full((n_fft // 2 + 1, 1), 2 / n_fft)  # a bin and its conjugate
    twice[0] = twice[-1] = 1 / n_fft
    matrix = np.vstack([twice * np.cos(angle), -twice * np.sin(angle)])
    return (matrix * hann_window(n_fft)).astype(working_float())


def _window_sum(n_fft: int, hop: int, frames: int) -> mx.array:
    """The sum of the squared windows at each sample of overlapping frames: `(hop (frames - 1) + n_fft,)`.

    Between its ends it repeats every `hop` samples. Only those of few frames are made on the host, whose memory a GPU
    reads slowly.
    """
    parts = n_fft // hop
    few = min(frames, parts)
    total = np.zeros((few + parts - 1, hop))
    for part, square in enumerate((hann_window(n_fft) ** 2).reshape(parts, hop)):
        total[part : part + few] += square
    ends = mx.array(total.astype(working_float()))
    between = mx.broadcast_to(ends[few - 1], (frames - few, hop))
    return mx.concatenate([ends[:few], between, ends[few:]]).reshape(-1)
