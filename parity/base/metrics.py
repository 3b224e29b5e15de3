"""Errors between two arrays, always in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PIECE = 1 << 13
"""Values that are widened at a time. What is made of them stays in a core's cache, and OpenBLAS, which shares longer
products out among threads that would spin beside those of the sides, keeps up to 10 000 values to one."""

MASKED = 1e8
"""From this size on a number stands for an infinity: masks add -1e9, -1e10 or the lowest float32.

Where there are smaller ones as well, such an element is judged by itself, and the others by the RMS of those.
"""


@dataclass(frozen=True)
class Difference:
    """A candidate against a reference, and both against the exact result where it is known.

    `gain` is the least-squares factor candidate / reference, 1 when equal. `noise` is the RMSE of the reference against
    the exact result, `against_exact` the candidate's: NaN without one.
    """

    rmse: float
    max_abs: float
    where: tuple[int, ...]
    gain: float
    cosine: float
    nonfinite: int
    reference_rms: float
    noise: float
    against_exact: float


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Inner product of two flat arrays on one thread: those of BLAS would spin beside those of the sides.

    With NumPy's BLAS for all of them, judging a full-size step took 5.4 s beside MLX; so it takes less than 1.4 s.
    """
    return float(np.dot(a, b)) if a.size <= PIECE else float(np.einsum("i,i->", a, b))


def rms(array: np.ndarray) -> float:
    flat = np.asarray(array, dtype=np.float64).ravel()
    return float(np.sqrt(dot(flat, flat) / flat.size))


def rmse(candidate: np.ndarray, reference: np.ndarray) -> float:
    return rms(np.subtract(candidate, reference, dtype=np.float64))


def difference(candidate: np.ndarray, reference: np.ndarray, exact: np.ndarray | None = None) -> Difference:
    """Every number that one comparison yields, in one pass. Shapes must be equal: nothing is broadcast.

    The pass is in the order of the axes, whatever the order in memory, so that the numbers do not depend on that.
    """
    if candidate.shape != reference.shape or candidate.size == 0:
        raise ValueError(f"cannot compare shapes {candidate.shape} and {reference.shape}")
    if exact is not None and exact.shape != reference.shape:
        raise ValueError(f"cannot compare shapes {exact.shape} and {reference.shape}")
    size = candidate.size
    buffers = np.empty((3, min(size, PIECE)))
    square = rr = cr = cc = noise = against_exact = 0.0
    worst, place, done = -1.0, 0, 0
    for part in _pieces(candidate.shape):
        theirs = reference[part]
        c, r, delta = buffers[:, : theirs.size]
        _widen(candidate[part], c)
        _widen(theirs, r)
        np.subtract(c, r, out=delta)
        square, rr, cr, cc = square + dot(delta, delta), rr + dot(r, r), cr + dot(c, r), cc + dot(c, c)
        np.abs(delta, out=delta)
        at = int(np.argmax(delta))
        if not (delta[at] <= worst or worst != worst):  # the first NaN is the worst
            worst, place = float(delta[at]), done + at
        if exact is not None:
            _widen(exact[part], delta)
            np.subtract(c, delta, out=c)
            np.subtract(r, delta, out=r)
            against_exact, noise = against_exact + dot(c, c), noise + dot(r, r)
        done += theirs.size
    return Difference(
        rmse=math.sqrt(square / size),
        max_abs=worst,
        where=tuple(int(i) for i in np.unravel_index(place, candidate.shape)),
        gain=cr / rr if rr > 0 else math.nan,
        cosine=cr / math.sqrt(rr * cc) if rr > 0 and cc > 0 else math.nan,
        nonfinite=0 if math.isfinite(cc) else int(np.count_nonzero(~np.isfinite(candidate))),
        reference_rms=math.sqrt(rr / size),
        noise=math.nan if exact is None else math.sqrt(noise / size),
        against_exact=math.nan if exact is None else math.sqrt(against_exact / size),
    )


def _widen(part: np.ndarray, out: np.ndarray) -> None:
    """A part in the order of its axes. One that lies across memory is gathered first, line by line."""
    np.copyto(out.reshape(part.shape), part if part.flags.c_contiguous else np.array(part, order="K"))


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[int | slice, ...]]:
    """Indices of the parts of an array of at most `PIECE` values each, in the order of its axes."""
    axis, inner = len(shape), 1
    while axis and inner * shape[axis - 1] <= PIECE:
        axis -= 1
        inner *= shape[axis]
    if not axis:
        yield ()
        return
    step = PIECE // inner
    for outer in np.ndindex(shape[: axis - 1]):
        for start in range(0, shape[axis - 1], step):
            yield *outer, slice(start, start + step)
