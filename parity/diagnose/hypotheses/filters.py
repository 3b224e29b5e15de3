"""Banks of triangular filters on a mel scale: another scale, another height, other ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis, unknown

RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
LOWEST = (0.0, 20.0, 50.0, 80.0)
HIGHEST = (4000.0, 7600.0, 8000.0, 11025.0, 12000.0)
"""Hz; half the rate is usual as well, and the most that there can be."""

NEAR = 1e-4


def _slaney(hz: np.ndarray) -> np.ndarray:
    above = 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)
    return np.where(hz < 1000, hz * 3 / 200, above)


def _slaney_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def _htk(hz: np.ndarray) -> np.ndarray:
    return np.asarray(1127 * np.log1p(hz / 700))


def _htk_hz(mel: np.ndarray) -> np.ndarray:
    return np.asarray(700 * np.expm1(mel / 1127))


SCALES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray], bool]] = {
    "Slaney's scale": (_slaney, _slaney_hz, False),
    "HTK's scale": (_htk, _htk_hz, False),
    "Kaldi's scale": (_htk, _htk_hz, True),
}
"""Hz to mel, mel to Hz, and whether triangles are straight in mel."""

Way = tuple[str, bool, int, float, float]
"""A scale, whether triangles are of equal area, the rate, and the ends."""

WAYS: list[Way] = [
    (scale, area, rate, lowest, highest)
    for scale, area, rate, lowest in product(SCALES, (True, False), RATES, LOWEST)
    for highest in (rate / 2, *(end for end in HIGHEST if end < rate / 2))
]


@hypothesis
def filters(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """Both are sums over the bins of a spectrum by mel filters, and the filters are others."""
    if not e.comparable or e.r.ndim != 3:
        return None
    for name, array in e.inputs.items():
        sides = [(axis, 3 - axis) for axis in (1, 2)]  # of bins, of frames
        for bins, frames in sides if array.ndim == 3 and array.dtype.kind == "f" else []:
            if array.shape[0] != e.r.shape[0] or array.shape[frames] != e.r.shape[frames]:
                continue
            if not 8 < 2 * e.r.shape[bins] < array.shape[bins] + 8 or array.shape[bins] % 2 == 0:
                continue
            found = _found(e, name, np.moveaxis(np.asarray(array, np.float64), bins, 2), bins)
            if found is not None:
                return found
    return None


def _found(e: Evidence, name: str, spectrum: np.ndarray, bins: int) -> Finding | tuple[Finding, ...] | None:
    c, r = (np.moveaxis(a, bins, 2) for a in (e.c, e.r))
    count, size = r.shape[2], spectrum.shape[2]
    loud = int(np.argmax((spectrum * spectrum).sum(axis=(0, 2))))
    row, theirs, ours = spectrum[0, loud], r[0, loud], c[0, loud]
    made = cache(lambda way: _bank(count, size, *way) @ row)  # a bank of each way would not fit

    def off(way: Way, y: np.ndarray) -> float:
        return rms(made(way) - y) / max(rms(y), 1e-300)

    expected = next((way for way in WAYS if off(way, theirs) < NEAR), None)
    if expected is None:
        return None
    own = next((way for way in WAYS if way != expected and off(way, ours) < NEAR), None)
    if own is None:
        return unknown(f"mel filters of {_words(expected)}, of {name},", "filters")
    change = spectrum @ (_bank(count, size, *own) - _bank(count, size, *expected)).T
    if e.left(np.moveaxis(r + change, 2, bins)) > 0.1:
        return unknown(f"mel filters of {_words(expected)}, of {name},", "filters")
    return Finding("filters", 0.97, f"mel filters of {_words(own)}, expected {_words(expected)} (of {name})")


def _bank(count: int, size: int, scale: str, area: bool, rate: int, lowest: float, highest: float) -> np.ndarray:
    """The filters `(count, size)`: triangles of equal area, or of equal height."""
    to_mel, to_hz, straight = SCALES[scale]
    mel = np.linspace(to_mel(np.array(lowest)), to_mel(np.array(highest)), count + 2)
    hz = to_hz(mel)
    corners = mel if straight else hz
    bins = np.arange(size) * rate / (2 * (size - 1))
    places = to_mel(bins) if straight else bins
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bank = np.maximum(0, np.minimum((places - left) / (centre - left), (right - places) / (right - centre)))
    if straight:
        bank[:, -1] = 0
    return np.asarray(bank * 2 / (hz[2:, None] - hz[:-2, None]) if area else bank)


def _words(way: Way) -> str:
    scale, area, _, lowest, highest = way
    return f"{scale} from {lowest:g} to {highest:g} Hz, of equal {'area' if area else 'height'}"
