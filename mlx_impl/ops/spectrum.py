"""Waves to the squared magnitudes of their short-time Fourier transform. Waves are `(B, N)`."""

from __future__ import annotations

from functools import lru_cache

import mlx.core as mx
import numpy as np

from spec.window import hann_window


def reflected(wave: mx.array, edge: int) -> mx.array:
    """`(B, N)` -> `(B, N + 2 edge)`: mirrored at the first and the last sample, which are not repeated."""
    return mx.concatenate([wave[:, edge:0:-1], wave, wave[:, -2 : -edge - 2 : -1]], axis=1)


def framed(wave: mx.array, length: int, hop: int) -> mx.array:
    """`(B, N)` -> whole frames `(B, T, length)`, one every `hop` samples."""
    batch, samples = wave.shape
    return mx.as_strided(wave, (batch, (samples - length) // hop + 1, length), (samples, hop, 1))


def power_spectrum(frames: mx.array) -> mx.array:
    """`(..., n)` -> `(..., n // 2 + 1)`: squared magnitudes of the Fourier transform.

    A transform, not a product with its matrix, which would be a sum of n terms and twice as far from the exact result.
    Always on the CPU: it is done once a voice, and a GPU's may lack lengths that are no power of two.
    """
    spectrum = mx.fft.rfft(frames, stream=mx.cpu)
    return mx.square(mx.real(spectrum)) + mx.square(mx.imag(spectrum))


def precise_power_spectrum(frames: mx.array) -> mx.array:
    """`(..., n)` -> `(..., n // 2 + 1)`, float32: of Hann-windowed frames, transformed in double as librosa does.

    A product with the transform's matrix: MLX's `rfft` has no double, and in double no rounding of the sum is left. Two
    samples as far from the middle have the same cosines and opposite sines: their sum and their difference are what is
    multiplied. On the CPU, as a GPU has no double.
    """
    length = frames.shape[-1]
    cosines, sines = windowed_transform(length)
    with mx.stream(mx.cpu):
        frames = frames.astype(mx.float64)
        left, right = frames[..., 1 : length // 2 + 1], frames[..., : length - length // 2 - 1 : -1]
        real, imaginary = ((left + right) @ cosines).astype(mx.float32), ((left - right) @ sines).astype(mx.float32)
        return mx.square(real) + mx.square(imaginary)


@lru_cache
def windowed_transform(length: int) -> tuple[mx.array, mx.array]:
    """Cosines and sines times a periodic Hann window, `(length // 2, length // 2 + 1)` each, in double.

    For the samples from the second, as the window is 0 at the first, to the middle. With an even length that one is its
    own partner, counted twice.
    """
    samples = np.arange(1, length // 2 + 1)[:, None]
    angles = 2 * np.pi / length * (samples * np.arange(length // 2 + 1) % length)
    window = hann_window(length)[samples] * np.where(2 * samples == length, 0.5, 1.0)
    return mx.array(window * np.cos(angles), dtype=mx.float64), mx.array(window * np.sin(angles), dtype=mx.float64)
