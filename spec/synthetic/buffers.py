"""The tensors of a checkpoint that are not learned, at their true values: the S3 tokenizer's window and mel filters.

In NumPy, so that they are the same on every machine.
"""

from __future__ import annotations

import numpy as np

# Slaney's mel scale: linear below 1 kHz, logarithmic above, 27 mel for a factor of 6.4.
MEL_PER_HZ = 3 / 200
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ * MEL_PER_HZ
LOG_STEP = np.log(6.4) / 27


def hann_window(length: int) -> np.ndarray:
    """Periodic Hann window `(length,)`: `torch.hann_window`, whose angles are float32, within one ulp."""
    angle = np.arange(length, dtype=np.float32) * np.float32(2 * np.pi / length)
    cos = np.cos(angle.astype(np.float64)).astype(np.float32)
    return np.float32(0.5) - np.float32(0.5) * cos


def hz_to_mel(hz: float) -> float:
    return hz * MEL_PER_HZ if hz < BREAK_HZ else BREAK_MEL + np.log(hz / BREAK_HZ) / LOG_STEP


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < BREAK_MEL, mel / MEL_PER_HZ, BREAK_HZ * np.exp(LOG_STEP * (mel - BREAK_MEL)))


def mel_filters(sample_rate: int, n_fft: int, mel_bins: int, highest: float | None = None) -> np.ndarray:
    """Triangular filters of equal area, `(mel_bins, n_fft // 2 + 1)`, float32, from 0 Hz to `highest` or half the rate.

    Equal to `librosa.filters.mel` with its defaults (Slaney's scale and norm), which upstream stores.
    """
    frequencies = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    corners = mel_to_hz(np.linspace(0.0, hz_to_mel(highest or sample_rate / 2), mel_bins + 2))
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (frequencies - left) / (centre - left)
    falling = (right - frequencies) / (right - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles.astype(np.float32) * (2 / (right - left))).astype(np.float32)
