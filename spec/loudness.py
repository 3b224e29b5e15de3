"""How loud a recording is, and the same recording at another loudness. No framework.

Loudness is that of ITU-R BS.1770-4: K-weighted, in blocks of 0.4 s, without those that are silent beside the others.
Upstream: `norm_loudness` in `chatterbox/tts_turbo.py`, by the package pyloudnorm, whose K-weighting is made of two
filters of the Audio EQ Cookbook at the recording's own rate.
"""

from __future__ import annotations

import math

import numpy as np

BLOCK, STEP = 0.4, 0.25  # s, and the part of a block by which the next one begins later
SILENCE, BESIDE = -70.0, -10.0  # LUFS below which a block is silent, and LU beside the mean of the others
OFFSET = -0.691  # LUFS of a K-weighted mean square of 1
SHELF = 4.0, 1 / math.sqrt(2), 1500.0  # dB, Q and Hz of the high shelf
CUT = 0.5, 38.0  # Q and Hz of the high pass

Filter = tuple[np.ndarray, np.ndarray]


def at_loudness(wave: np.ndarray, rate: int, target: float) -> np.ndarray:
    """`wave (N,)` at `target` LUFS. One that has no loudness, because it is silent, stays as it is."""
    gain = 10.0 ** ((target - loudness(wave, rate)) / 20.0)
    return wave * wave.dtype.type(gain) if math.isfinite(gain) else wave


def loudness(wave: np.ndarray, rate: int) -> float:
    """LUFS of a mono `wave (N,)`, minus infinity where all of it is silent.

    Raises `ValueError` for a wave shorter than a block.
    """
    seconds = len(wave) / rate
    if seconds < BLOCK:
        raise ValueError(f"the wave has {seconds:.3f} s, expected at least {BLOCK} s: loudness is one of whole blocks")
    from scipy.signal import lfilter  # half a second to load, and a help text needs none

    weighted = wave.astype(np.float64)
    for numerator, denominator in (high_shelf(*SHELF, rate), high_pass(*CUT, rate)):
        weighted = lfilter(numerator, denominator, weighted)
    index = np.arange(round((seconds - BLOCK) / (BLOCK * STEP)) + 1)
    energy = np.concatenate([[0.0], np.cumsum(weighted * weighted)])
    start, end = ((BLOCK * (index * STEP + later) * rate).astype(int) for later in (0, 1))
    power = (energy[np.minimum(end, len(wave))] - energy[start]) / (BLOCK * rate)
    of_block = lufs(power)
    loud = power[of_block >= SILENCE]
    if not loud.size:
        return -math.inf
    return float(lufs(np.mean(power[of_block > max(SILENCE, lufs(np.mean(loud)) + BESIDE)])))


def lufs(power: np.ndarray) -> np.ndarray:
    """Of K-weighted mean squares."""
    with np.errstate(divide="ignore"):
        return OFFSET + 10.0 * np.log10(power)


def high_shelf(gain: float, quality: float, frequency: float, rate: int) -> Filter:
    """Numerator and denominator `(3,)` of a filter that raises what lies above a frequency by `gain` dB."""
    a, w = 10.0 ** (gain / 40.0), 2.0 * math.pi * frequency / rate
    slope, cos = math.sqrt(a) * math.sin(w) / quality, math.cos(w)
    more, less = a + 1, a - 1
    numerator = a * np.array([more + less * cos + slope, -2 * (less + more * cos), more + less * cos - slope])
    denominator = np.array([more - less * cos + slope, 2 * (less - more * cos), more - less * cos - slope])
    return numerator / denominator[0], denominator / denominator[0]


def high_pass(quality: float, frequency: float, rate: int) -> Filter:
    """Numerator and denominator `(3,)` of a filter that takes away what lies below a frequency."""
    w = 2.0 * math.pi * frequency / rate
    slope, cos = math.sin(w) / (2.0 * quality), math.cos(w)
    numerator = np.array([(1 + cos) / 2, -(1 + cos), (1 + cos) / 2])
    denominator = np.array([1 + slope, -2 * cos, 1 - slope])
    return numerator / denominator[0], denominator / denominator[0]
