"""Windows, mel filters and resampling kernels: computed in double, rounded once, made once.

They follow the libraries that upstream takes them from: PyTorch's `hann_window`, `librosa.filters.mel`, and
torchaudio's `compliance/kaldi.py` and `functional.py`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import mlx.core as mx
import numpy as np

from mlx_impl.ops import spectrum
from mlx_impl.ops.precision import working_float

# Slaney's mel scale: linear below 1 kHz, then 27 mel for a factor of 6.4.
HZ_PER_MEL = 200.0 / 3
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27.0


@lru_cache
def hann_window(length: int, dtype: mx.Dtype) -> mx.array:
    """Periodic Hann window, `(length,)`."""
    return _rounded(spectrum.hann_window(length), dtype)


@lru_cache
def povey_window(length: int, dtype: mx.Dtype) -> mx.array:
    """Kaldi's window, `(length,)`: a symmetric Hann window to the power of 0.85."""
    return _rounded((0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))) ** 0.85, dtype)


@lru_cache
def mel_filters(sample_rate: int, n_fft: int, bins: int, highest: float, dtype: mx.Dtype) -> mx.array:
    """Triangles of equal area on Slaney's mel scale, `(bins, n_fft // 2 + 1)`, from 0 Hz to `highest`, above 1 kHz."""
    top = BREAK_MEL + np.log(highest / BREAK_HZ) / LOG_STEP
    mel = np.linspace(0.0, top, bins + 2)
    hz = np.where(mel < BREAK_MEL, HZ_PER_MEL * mel, BREAK_HZ * np.exp(LOG_STEP * (mel - BREAK_MEL)))
    left, centre, right = hz[:-2, None], hz[1:-1, None], hz[2:, None]
    frequencies = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    triangles = np.minimum((frequencies - left) / (centre - left), (right - frequencies) / (right - centre))
    return _rounded(np.maximum(0, triangles) * 2.0 / (right - left), dtype)


@lru_cache
def kaldi_mel_filters(sample_rate: int, n_fft: int, bins: int, lowest: float, dtype: mx.Dtype) -> mx.array:
    """Triangles of equal height on Kaldi's mel scale, `(bins, n_fft // 2 + 1)`, from `lowest` Hz to half the rate.

    The triangles are straight in mel, not in Hz; a mel's size, of which their sides are ratios, does not matter. The
    last column, half the sample rate, is 0.
    """

    def mel_of(hz: np.ndarray | float) -> np.ndarray:
        return np.log(1.0 + np.asarray(hz) / 700.0)

    corners = np.linspace(mel_of(lowest), mel_of(sample_rate / 2), bins + 2)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    mel = mel_of(np.arange(n_fft // 2) * sample_rate / n_fft)
    triangles = np.maximum(0, np.minimum((mel - left) / (centre - left), (right - mel) / (right - centre)))
    return _rounded(np.pad(triangles, ((0, 0), (0, 1))), dtype)


@lru_cache
def sinc_kernel(source: int, target: int, dtype: mx.Dtype) -> mx.array:
    """Windowed sincs that resample by target / source, below 1 and in lowest terms: `(target, 2 * width + source)`.

    One row for each phase; six zero crossings at either side under a squared cosine, cut off at 0.99 of the target
    rate's half. `width` is the number of samples that a row reaches to the left of its first one.
    """
    swaps, rolloff = 6, 0.99
    base = target * rolloff
    width = math.ceil(swaps * source / base)
    offsets = np.arange(-width, width + source) / source
    t = np.clip((offsets - np.arange(target)[:, None] / target) * base, -swaps, swaps)
    window = np.cos(t * np.pi / swaps / 2) ** 2
    return _rounded(np.sinc(t) * window * (base / source), dtype)


def _rounded(table: np.ndarray, dtype: mx.Dtype) -> mx.array:
    """A table made in double, in `dtype`."""
    return mx.array(table.astype(working_float())).astype(dtype)
