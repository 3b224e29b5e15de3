"""What of a run's arrays is kept to be looked at: the errors of the worst taps, seen from afar, and whole waves."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from parity.base.bfloat16 import widened
from parity.base.walk import WINDOW, around, gathered
from parity.contract import LOCAL
from parity.judge.verdict import Verdict

ROWS, COLUMNS, BINS, AROUND = 48, 160, 41, 4
DECADES = -3.0, 6.0
"""Of an error in noise floors: what the darkest and the brightest place of a map stand for."""


@dataclass(frozen=True)
class Picture:
    """The error of one verdict. `key` says whose it is: tap, branch and mode.

    `map` is a grid of `rows` x `columns`, base64 of one byte for each place: the largest |error| there. 0 stands for
    equal, 255 for not finite, and 1 to 254 for the logarithm of the error in noise floors over `DECADES`. The grid's
    axes are the tap's two longest, `axes` of `lengths`; over the other axes the largest error is taken. Of what
    is too big to be seen at once all is of the part around the worst value. `counts` is the histogram of the signed
    error over `BINS` equal parts of -limit to limit, in noise floors. `near` has the values beside the worst position
    along the last axis: index, reference, candidate.
    """

    key: tuple[str, str, str]
    axes: tuple[str, ...]
    lengths: tuple[int, ...]
    rows: int
    columns: int
    map: str
    limit: float
    counts: tuple[int, ...]
    near: tuple[tuple[int, float, float], ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def picture(verdict: Verdict, axes: str, candidate: np.ndarray, reference: np.ndarray, most: int = WINDOW) -> Picture:
    """Draw the error of two arrays of one shape, whose axes are named; of a part of at most so many values."""
    part = around(verdict.where or (0,) * reference.ndim, reference.shape, most)
    ours, theirs = (np.asarray(widened(gathered(array[part])), dtype=np.float64) for array in (candidate, reference))
    floor = verdict.floor if verdict.floor > 0 else 1.0  # integers have none
    with np.errstate(invalid="ignore", over="ignore"):
        error = (ours - theirs) / floor
    names = axes.split()
    longest = sorted(sorted(range(error.ndim), key=lambda axis: -error.shape[axis])[:2])
    flat = np.abs(error).max(axis=tuple(set(range(error.ndim)) - set(longest)), initial=0.0)
    pooled = _pooled(flat.reshape((1,) * (2 - flat.ndim) + flat.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        level = (np.log10(pooled) - DECADES[0]) / (DECADES[1] - DECADES[0])
    levels = np.where(pooled == 0, 0.0, np.clip(np.nan_to_num(1 + 253 * level), 1, 254))
    levels = np.where(np.isfinite(pooled), levels, 255).astype(np.uint8)
    finite = error[np.isfinite(error)]
    limit = float(np.abs(finite).max(initial=0.0)) or 1.0
    counts = np.histogram(finite, bins=BINS, range=(-limit, limit))[0]
    return Picture(
        key=(verdict.tap, verdict.branch, verdict.mode),
        axes=tuple(names[axis] for axis in longest),
        lengths=tuple(error.shape[axis] for axis in longest),
        rows=levels.shape[0],
        columns=levels.shape[1],
        map=base64.b64encode(levels.tobytes()).decode(),
        limit=limit,
        counts=tuple(int(count) for count in counts),
        near=_near(verdict.where or (0,) * error.ndim, part, ours, theirs),
    )


def _pooled(error: np.ndarray) -> np.ndarray:
    """The largest of each place of a grid of at most ROWS x COLUMNS."""
    for axis, most in enumerate((ROWS, COLUMNS)):
        length = error.shape[axis]
        starts = np.arange(min(length, most)) * length // min(length, most)
        error = np.maximum.reduceat(error, starts, axis=axis)
    return error


def _near(
    where: tuple[int, ...], part: tuple[slice, ...], ours: np.ndarray, theirs: np.ndarray
) -> tuple[tuple[int, float, float], ...]:
    if not where:
        return ((0, float(theirs), float(ours)),)
    *first, last = (at - inside.start for at, inside in zip(where, part, strict=True))
    places = range(max(0, last - AROUND), min(ours.shape[-1], last + AROUND + 1))
    start = part[-1].start
    return tuple((start + at, float(theirs[*first, at]), float(ours[*first, at])) for at in places)


class Gallery:
    """Keeps the pictures of the `size` verdicts with the least headroom, and of the first failures of each mode.

    Nothing is drawn but what is among the worst so far, so most verdicts cost one comparison. A picture is made of at
    most so many values.
    """

    def __init__(self, size: int = 16, most: int = WINDOW):
        self.size, self.most = size, most
        self.worst: list[tuple[float, Picture]] = []
        self.first: dict[str, Picture] = {}

    def see(self, verdict: Verdict, axes: str, candidate: np.ndarray, reference: np.ndarray) -> None:
        """A verdict and what it is about. Arrays that cannot be subtracted have no picture."""
        if (
            candidate.shape != reference.shape
            or not reference.size
            or "c" in (candidate.dtype.kind, reference.dtype.kind)
        ):
            return
        first = not verdict.passed and verdict.mode not in self.first
        headroom = verdict.headroom
        if not first and len(self.worst) == self.size and (not self.size or headroom >= self.worst[-1][0]):
            return
        drawn = picture(verdict, axes, candidate, reference, self.most)
        if first:
            self.first[verdict.mode] = drawn
        self.worst = sorted([*self.worst, (headroom, drawn)], key=lambda entry: entry[0])[: self.size]

    def wanted(self, verdicts: Iterable[Verdict]) -> set[tuple[str, str, str]]:
        """Whose pictures will be kept of all these verdicts, for whoever can come back to their arrays."""
        ordered = list(verdicts)
        firsts = {verdict.mode: verdict for verdict in reversed(ordered) if not verdict.passed and verdict.shape}
        worst = sorted((verdict for verdict in ordered if verdict.shape), key=lambda verdict: verdict.headroom)
        return {(one.tap, one.branch, one.mode) for one in [*firsts.values(), *worst[: self.size]]}

    @property
    def pictures(self) -> list[Picture]:
        """The first failures, local before accumulated, then the worst; none twice."""
        firsts = sorted(self.first.values(), key=lambda drawn: drawn.key[2] != LOCAL)
        found = {drawn.key: drawn for drawn in [*firsts, *(drawn for _, drawn in self.worst)]}
        return list(found.values())


@dataclass(frozen=True)
class Sound:
    """A wave that both sides end in, one item of it, as float32: to be heard and to be seen as a spectrogram."""

    name: str
    rate: int
    reference: np.ndarray
    candidate: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """Samples as base64 of little-endian float32."""
        texts = (base64.b64encode(wave.astype("<f4").tobytes()).decode() for wave in (self.reference, self.candidate))
        reference, candidate = texts
        return {"name": self.name, "rate": self.rate, "reference": reference, "candidate": candidate}


def sounds(table: Any, reference: dict[str, np.ndarray], candidate: dict[str, np.ndarray]) -> list[Sound]:
    """The waves that a contract's `[[sound]]` entries name, of two states that a run ended in; items apart.

    A candidate that stopped before it may have none.
    """
    found = []
    for entry in table:
        name = entry["state"]
        if name not in reference or name not in candidate or reference[name].shape != candidate[name].shape:
            continue
        for item, (theirs, ours) in enumerate(zip(reference[name], candidate[name], strict=True)):
            label = f"{name}, item {item}" if len(reference[name]) > 1 else name
            found.append(Sound(label, int(entry["rate"]), np.asarray(theirs), np.asarray(ours)))
    return found
