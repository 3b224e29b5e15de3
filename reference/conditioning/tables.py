"""Windows, mel filters and resampling kernels, made in the dtype that they are used in.

Each follows the library that upstream takes it from, operation by operation, so that float32 tables are equal to the
last bit: `torch.hann_window`, `librosa.filters.mel`, and torchaudio's `compliance/kaldi.py` and `functional.py`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

# Slaney's mel scale: linear below 1 kHz, then 27 mel for a factor of 6.4.
HZ_PER_MEL = 200.0 / 3
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27.0


def hann_window(length: int, dtype: torch.dtype) -> Tensor:
    """Periodic Hann window, `(length,)`."""
    return torch.hann_window(length, dtype=dtype)


def povey_window(length: int, dtype: torch.dtype) -> Tensor:
    """Kaldi's window, `(length,)`: a symmetric Hann window to the power of 0.85."""
    return torch.hann_window(length, periodic=False, dtype=dtype).pow(0.85)


def mel_filters(sample_rate: int, n_fft: int, bins: int, highest: float, dtype: torch.dtype) -> Tensor:
    """Triangles of equal area on Slaney's mel scale, `(bins, n_fft // 2 + 1)`, from 0 Hz to `highest` Hz.

    Computed in double, rounded to `dtype`, scaled by their areas and rounded again, as librosa does it.
    """
    top = highest / HZ_PER_MEL if highest < BREAK_HZ else BREAK_MEL + np.log(highest / BREAK_HZ) / LOG_STEP
    mel = np.linspace(0.0, top, bins + 2)
    hz = HZ_PER_MEL * mel
    hz = np.where(mel < BREAK_MEL, hz, BREAK_HZ * np.exp(LOG_STEP * (mel - BREAK_MEL)))
    ramps = hz[:, None] - np.fft.rfftfreq(n=n_fft, d=1.0 / sample_rate)[None, :]
    widths = np.diff(hz)[:, None]
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    filters = torch.from_numpy(triangles).to(dtype).numpy()
    filters *= (2.0 / (hz[2:] - hz[:-2]))[:, None]
    return torch.from_numpy(filters)


def kaldi_mel_filters(sample_rate: int, n_fft: int, bins: int, lowest: float, dtype: torch.dtype) -> Tensor:
    """Triangles of equal height on Kaldi's mel scale, `(bins, n_fft // 2 + 1)`, from `lowest` Hz to half the rate.

    The triangles are straight in mel, not in Hz. The last column, half the sample rate, is 0.
    """

    def mel_of(hz: float) -> float:
        return 1127.0 * math.log(1.0 + hz / 700.0)

    low = mel_of(lowest)
    step = (mel_of(0.5 * sample_rate) - low) / (bins + 1)
    index = torch.arange(bins, dtype=dtype)[:, None]
    left, centre, right = low + index * step, low + (index + 1.0) * step, low + (index + 2.0) * step  # (bins, 1)
    hz = sample_rate / n_fft * torch.arange(n_fft // 2, dtype=dtype)
    mel = (1127.0 * (1.0 + hz / 700.0).log())[None, :]
    triangles = torch.min((mel - left) / (centre - left), (right - mel) / (right - centre)).clamp(min=0)
    return torch.nn.functional.pad(triangles, (0, 1))


def sinc_kernel(source: int, target: int, dtype: torch.dtype) -> Tensor:
    """Windowed sincs that resample by target / source, in lowest terms: `(target, 1, 2 * width + source)`.

    One row for each phase; six zero crossings at either side under a squared cosine, cut off at 0.99 of the lower
    rate's half. `width` is the number of samples that a row reaches to the left of its first one.
    """
    swaps, rolloff = 6, 0.99
    base = min(source, target) * rolloff
    width = math.ceil(swaps * source / base)
    offsets = torch.arange(-width, width + source, dtype=torch.float64)[None, None] / source
    phases = torch.arange(0, -target, -1, dtype=dtype)[:, None, None] / target  # torchaudio rounds these to `dtype`
    t = ((phases + offsets) * base).clamp(-swaps, swaps)
    window = torch.cos(t * math.pi / swaps / 2) ** 2
    t = t * math.pi
    kernel = torch.where(t == 0, torch.ones_like(t), t.sin() / t) * (window * (base / source))
    return kernel.to(dtype)
