"""Waves to the squared magnitudes of their short-time Fourier transform. Waves are `(B, N)`."""

from __future__ import annotations

from functools import lru_cache

import mlx.core as mx
import numpy as np

from reference.window import hann_window


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

    A product with the transform's matrix: MLX's `rfft` has no double, and in double no rounding of the sum is left. On
    the CPU, as a GPU has no double.
    """
    with mx.stream(mx.cpu):
        spectrum = (frames.astype(mx.float64) @ windowed_transform(frames.shape[-1])).astype(mx.float32)
        real, imaginary = mx.split(spectrum, 2, axis=-1)
        return mx.square(real) + mx.square(imaginary)


@lru_cache
def windowed_transform(length: int) -> mx.array:
    """The Fourier transform of frames times a periodic Hann window: `(length, 2 * (length // 2 + 1))`, in double.

    The real parts first, then the imaginary ones.
    """
    spectra = np.fft.rfft(np.diag(hann_window(length)))
    return mx.array(np.concatenate([spectra.real, spectra.imag], axis=1), dtype=mx.float64)
