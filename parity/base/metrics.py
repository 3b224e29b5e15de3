"""Errors between two arrays, always in float64."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

import numpy as np

from parity.base.bfloat16 import widened
from parity.base.marginals import Marginals
from parity.base.walk import PIECE, walk

ROW = 1 << 13
"""Values that are multiplied in one call: OpenBLAS shares longer products out among threads, which would spin beside
those of the sides, and keeps up to 10 000 values to one."""

MASKED = 1e8
"""From this size on a number stands for an infinity: masks add -1e9, -1e10 or the lowest float32.

Where there are smaller ones as well, such an element is judged by itself, and the others by the RMS of those.
"""


NO_SUMS = Marginals(0, ())

_memory = threading.local()


@dataclass(frozen=True)
class Difference:
    """A candidate against a reference, and both against the exact result where it is known.

    `gain` is the least-squares factor candidate / reference, 1 when equal. `noise` is the RMSE of the reference against
    the exact result, `against_exact` the candidate's: NaN without one. `sums` has, for each index of each axis,
    the squares of the candidate's error, of the noise and of the exact values; where something is masked, how many are
    not.
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
    sums: Marginals = field(default=NO_SUMS, compare=False)


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Inner product of two flat arrays on one thread: those of BLAS would spin beside those of the sides.

    With NumPy's BLAS for all of them, judging a full-size step took 5.4 s beside MLX; so it takes less than 1.4 s.
    """
    return float(np.dot(a, b)) if a.size <= ROW else float(np.einsum("i,i->", a, b))


def rms(array: np.ndarray) -> float:
    flat = np.asarray(array, dtype=np.float64).ravel()
    return float(np.sqrt(dot(flat, flat) / flat.size))


def rmse(candidate: np.ndarray, reference: np.ndarray) -> float:
    return rms(np.subtract(candidate, reference, dtype=np.float64))


def difference(
    candidate: np.ndarray, reference: np.ndarray, exact: np.ndarray | None = None, unmasked: bool = False
) -> Difference:
    """Every number that one comparison yields, in one pass. Shapes must be equal: nothing is broadcast.

    The pass is in the order of the axes, whatever the order in memory, so that the numbers do not depend on that. Of
    arrays of more than `walk.WINDOW` values it is in their order in memory, and copies no more than so many.

    With `unmasked` it is the comparison without what is masked alike on all sides, whose size would hide every other
    difference; of the whole where nothing is masked, or everything.
    """
    if candidate.shape != reference.shape or candidate.size == 0:
        raise ValueError(f"cannot compare shapes {candidate.shape} and {reference.shape}")
    if exact is not None and exact.shape != reference.shape:
        raise ValueError(f"cannot compare shapes {exact.shape} and {reference.shape}")
    size = kept = candidate.size
    rows = 3 + unmasked
    buffers = _buffers(rows, min(size, PIECE))
    marginals = NO_SUMS if exact is None else Marginals(rows, reference.shape)
    squares, against = np.zeros(3), np.zeros(2)
    worst, where, nonfinite = -1.0, tuple[int, ...](), 0
    for place, (ours, theirs, *wide) in walk(candidate, reference, *([] if exact is None else [exact])):
        whole = buffers[:, : theirs.size]
        held = whole[:3]
        c, r, delta = held
        _widen(ours, c)
        _widen(theirs, r)
        hidden = _masked(c, r, *wide) if unmasked else None
        if hidden is not None:
            c[hidden] = r[hidden] = 0.0
            kept -= int(np.count_nonzero(hidden))
        np.subtract(c, r, out=delta)
        piece = _squares(held)
        squares += piece
        nonfinite += 0 if math.isfinite(piece[0]) else int(np.count_nonzero(~np.isfinite(c)))
        np.abs(delta, out=delta)
        at = int(np.argmax(delta))
        most = float(delta[at])
        if not (most <= worst or worst != worst):  # the first NaN is the worst
            worst, where = most, place.at(at)
        if wide:
            _widen(wide[0], delta)
            if hidden is not None:
                delta[hidden] = 0.0
            held[:2] -= delta
            against += _squares(held[:2])
            whole[3:] = 1.0 if hidden is None else ~hidden
            marginals.add(place, np.square(whole, out=whole))
    cc, rr, square = squares.tolist()
    cr = (cc + rr - square) / 2  # the product of both, by the law of cosines
    against_exact, noise = against.tolist()
    if not kept:
        return difference(candidate, reference, exact)
    return Difference(
        rmse=math.sqrt(square / kept),
        max_abs=worst,
        where=where,
        gain=cr / rr if rr > 0 else math.nan,
        cosine=cr / math.sqrt(rr * cc) if rr > 0 and cc > 0 else math.nan,
        nonfinite=nonfinite,
        reference_rms=math.sqrt(rr / kept),
        noise=math.nan if exact is None else math.sqrt(noise / kept),
        against_exact=math.nan if exact is None else math.sqrt(against_exact / kept),
        sums=marginals,
    )


def _buffers(rows: int, size: int) -> np.ndarray:
    """Rows of doubles, the same memory in each call of a thread: a fresh page costs as much as its arithmetic."""
    if not hasattr(_memory, "doubles"):
        _memory.doubles = np.empty((4 * PIECE,))
    found: np.ndarray = _memory.doubles[: rows * size].reshape(rows, size)
    return found


def _masked(c: np.ndarray, r: np.ndarray, *exact: np.ndarray) -> np.ndarray:
    """Which values of a piece are masked alike on all sides."""
    found = (np.abs(r) >= MASKED) & (c == r)
    for piece in exact:
        found &= ((np.abs(piece) >= MASKED) & (np.sign(piece) == np.sign(r.reshape(piece.shape)))).ravel()
    return np.asarray(found)


def _squares(rows: np.ndarray) -> np.ndarray:
    """Sums of the squares of each row, on one thread: three times as fast as `einsum`."""
    if rows.shape[1] <= ROW:
        return np.asarray(np.vecdot(rows, rows))
    whole = rows.shape[1] // ROW * ROW
    rest, parts = rows[:, whole:], rows[:, :whole].reshape(len(rows), -1, ROW)
    found = np.add.reduce(np.vecdot(parts, parts), axis=1)
    return np.asarray(found + np.vecdot(rest, rest) if rest.size else found)


def _widen(part: np.ndarray, out: np.ndarray) -> None:
    """A part in the order of its axes. One that lies across memory is gathered first, line by line."""
    part = widened(part)
    np.copyto(out.reshape(part.shape), part if part.flags.c_contiguous else np.array(part, order="K"))
