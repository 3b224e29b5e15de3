"""The rates around Perth's network: audio at any rate is brought to its own, and back, as upstream does it.

Both sides share it, as what reads a recording is shared. Upstream: `perth_watermarker.py` over `librosa.resample`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import soxr
from scipy.signal import resample_poly


def marked_at(rate: int, own: int, wave: np.ndarray, mark: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A wave `(N,)` at `rate` Hz through `mark`, which takes `(N,)` at its `own` and gives whole hops: `(N',)`.

    Up to a hop less comes back: what is behind the last whole one is lost, as upstream loses it.
    """
    return resampled(mark(resampled(wave, rate, own)), own, rate)


def resampled(wave: np.ndarray, source: int, target: int) -> np.ndarray:
    """`(N,)` -> `(ceil(N target / source),)`, in the wave's dtype, with soxr's high quality, which is of float32."""
    if source == target:
        return wave
    samples = math.ceil(len(wave) * target / source)
    found = soxr.resample(wave, source, target, quality="soxr_hq")[:samples]
    return np.pad(found, (0, samples - len(found))).astype(wave.dtype, copy=False)


def resampled_to_hear(wave: np.ndarray, source: int, target: int) -> np.ndarray:
    """As `resampled`, by phases of one filter: what upstream takes before it looks for a mark."""
    if source == target:
        return wave
    divisor = math.gcd(source, target)
    return np.asarray(resample_poly(wave, target // divisor, source // divisor), wave.dtype)
