"""The worst slice of a tap: each frame, channel or head by itself, against what chance gives the largest of so many.

A fault in one frame of 400 at 12 noise floors is 0.6 floors of the whole tap, which no bound of a whole tap can see.
A slice is all that a tap has at one index of one axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from parity.base.marginals import Marginals
from parity.base.walk import walk
from parity.judge.floor import of_slices

CHANCE = 1e-5
"""How often chance alone may give a tap of independent normal errors a slice beyond its bound, but for `SPARE`."""

SPARE = 1.5
"""By what factor bounds are wider than chance needs. As much louder than the reference may a port round everywhere."""

GROWING = 4.0
"""The bound of ratio64 beyond which a rule knows of errors that grow: there the spare comes on top of a louder port."""

SHARED = 256
"""How many values of a slice count as one more independent error. A row shares the rounding of its one rsqrt, and a
frame of a log mel that of its maximum; so 128 channels were 5.7 floors off together, and a thousand never above 2.7."""

LEAST = 3.5
"""The least bound: errors of slices of any size differ by up to 2.7, where a port adds up in another order."""


@dataclass(frozen=True)
class Slice:
    """A slice: its axis by number, its index there, and how many there are along the axis.

    `ratio` is its RMSE to reference64 in its own noise floors (`parity/judge/floor.py`).
    """

    axis: int
    index: int
    length: int
    ratio: float
    bound: float


@lru_cache(maxsize=1 << 12)
def deviations(slices: int, sample: int) -> tuple[float, float]:
    """How many floors the largest of so many normal errors exceeds once in 100 000 times.

    The second number is for a floor that is a sample of so many values itself: Student's distribution, by the bound of
    Wallace (1959) for it. It is the larger one below some 20 values, and near 12 for 10.
    """
    normal = -NormalDist().inv_cdf(CHANCE / (2 * slices))
    return normal, math.sqrt(sample * math.expm1(min(normal**2 / sample, 500)))


def largest(values: np.ndarray, deviations: float) -> np.ndarray:
    """The RMS that slices of so many values each exceed as seldom as a normal number so many deviations, in floors.

    Of m independent normal numbers the RMS is beyond 1 + (z - 1) / sqrt(m) no more often than one of them beyond z.
    """
    return np.asarray(1 + (deviations - 1) / np.sqrt(1 + values / SHARED))


@lru_cache(maxsize=64)
def _whole(lengths: tuple[int, ...], size: int, sample: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many values each slice of a tap has, and what chance gives, where all of its `size` values are judged."""
    values = np.repeat([size / length for length in lengths], lengths)
    return values, *_chance(values, sample)


def _chance(values: np.ndarray, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """What chance gives slices of so many values: by the normal distribution, and what a bound is at least."""
    normal, student = deviations(len(values), sample)
    return largest(values, normal), np.maximum(LEAST, largest(values, student))


def worst(
    sums: Marginals, size: int, sample: int, floor: float, rule: float, dtype: str, noise: Marginals | None = None
) -> Slice | None:
    """The slice that is the nearest to its bound, or the furthest beyond it; None where no axis has two.

    `sums` are of squares: of the errors against reference64, of the reference's noise, and of the values. Where not all
    of the `size` values are judged, the last of them says how many are. `sample` are those that do not repeat. Of a
    floor that is another run's, so is the `noise`. `rule` is the bound of the tap's ratio64. A candidate that rounds
    more than the reference everywhere, by the ratio64 of all but the slice, has bounds as much wider.
    """
    if not sums.axes:
        return None
    error, own, scale, *judged = sums.rows
    first, total = sums.lengths[0], float(size)
    if judged:
        values, total = np.maximum(judged[0], 1), float(judged[0][:first].sum())
        normal, least = _chance(values, sample)
    else:
        values, normal, least = _whole(sums.lengths, size, sample)
    rest = np.maximum(error[:first].sum() - error, 0) / np.maximum(total - values, 1)
    spare = min(SPARE, max(1.0, rule / GROWING))
    bounds = np.maximum(least, np.maximum(SPARE, np.sqrt(rest) * (spare / floor)) * normal)
    noises = own if noise is None else noise.rows[0]
    ratios = np.sqrt(error / values) / of_slices(noises / values, scale / values, values, floor, dtype)
    column = int(np.argmax(ratios / bounds))
    axis, index = sums.place(column)
    if not math.isfinite(ratios[column]):
        return None
    return Slice(axis, index, int(sums.of(axis).shape[1]), float(ratios[column]), float(bounds[column]))


def said(slice: tuple[str, int, int]) -> str:
    """`t 17 of 40`."""
    axis, index, length = slice
    return f"{axis} {index} of {length}"


def noise_of(run: np.ndarray, exact: np.ndarray) -> Marginals:
    """The sums of the squared noise of a run that is not the reference in float32."""
    made = Marginals(1, run.shape)
    for place, (theirs, wide) in walk(run, exact):
        made.add(place, np.square(np.subtract(theirs, wide, dtype=np.float64)).reshape(1, -1))
    return made
