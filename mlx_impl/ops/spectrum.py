"""Short-time Fourier transforms, their squared magnitudes and their inverse. Waves are `(B, N)`."""

from __future__ import annotations

from functools import lru_cache

import mlx.core as mx
import numpy as np

from mlx_impl.ops.linear import matmul
from mlx_impl.ops.precision import working_float
from mlx_impl.ops.taps import overlap_add

MANY = 256
"""Points of a transform up to which it is a product with its matrix."""


def hann_window(length: int) -> np.ndarray:
    """Periodic Hann window `(length,)`, float64, to be rounded once."""
    return np.sin(np.pi * np.arange(length) / length) ** 2


def reflected(wave: mx.array, edge: int) -> mx.array:
    """`(B, N)` -> `(B, N + 2 edge)`: mirrored at the first and the last sample, which are not repeated."""
    return mx.concatenate([wave[:, edge:0:-1], wave, wave[:, -2 : -edge - 2 : -1]], axis=1)


def framed(wave: mx.array, length: int, hop: int) -> mx.array:
    """`(B, N)` -> whole frames `(B, T, length)`, one every `hop` samples."""
    batch, samples = wave.shape
    return mx.as_strided(wave, (batch, (samples - length) // hop + 1, length), (samples, hop, 1))


def power_spectrum(frames: mx.array, n_fft: int) -> mx.array:
    """`(..., n)`, n at most `n_fft` -> `(..., n_fft // 2 + 1)`: squared magnitudes of the Fourier transform.

    A transform, not a product with its matrix, which would be a sum of n terms and twice as far from the exact result.
    Always on the CPU: it is done once a voice, and a GPU's may lack lengths that are no power of two.
    """
    spectrum = mx.fft.rfft(frames, n_fft, stream=mx.cpu)
    return mx.square(mx.real(spectrum)) + mx.square(mx.imag(spectrum))


def stft(wave: mx.array, n_fft: int, hop: int) -> mx.array:
    """`(B, N)` -> `(B, N / hop + 1, n_fft + 2)`: the real, then the imaginary parts of centred, Hann-windowed frames.

    With few points a product with the transform's matrix, the window in it, is faster than an FFT. With many its sums
    would round more than one, which is on the CPU as in `power_spectrum`.
    """
    if n_fft > MANY:
        frames = framed(reflected(wave, n_fft // 2), n_fft, hop) * mx.array(hann_window(n_fft).astype(working_float()))
        spectrum = mx.fft.rfft(frames, stream=mx.cpu)
        return mx.concatenate([mx.real(spectrum), mx.imag(spectrum)], axis=-1)
    return matmul(framed(reflected(wave, n_fft // 2), n_fft, hop), mx.array(_analysis(n_fft)))


def istft(spectrum: mx.array, n_fft: int, hop: int) -> mx.array:
    """The inverse of `stft`: windowed frames are added and divided by the sum of the squared windows."""
    if n_fft > MANY:
        real, imaginary = mx.split(spectrum, 2, axis=-1)
        frames = mx.fft.irfft(real + 1j * imaginary, stream=mx.cpu)
        frames = frames * mx.array(hann_window(n_fft).astype(working_float()))
    else:
        frames = matmul(spectrum, mx.array(_synthesis(n_fft)))  # (B, F, n_fft)
    half = n_fft // 2
    wave = overlap_add(frames[..., None], hop)[:, half:-half, 0]  # (B, hop (F - 1))
    return wave / _window_sum(n_fft, hop, frames.shape[1])[half:-half]


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
    """The sum of the squared windows at each sample of overlapping frames: `(hop (frames - 1) + n_fft,)`."""
    squares = mx.array((hann_window(n_fft) ** 2).astype(working_float()))
    return overlap_add(mx.broadcast_to(squares[:, None], (1, frames, n_fft, 1)), hop)[0, :, 0]
