"""A quantity that the other program holds in pieces, or as a piece: projections or batch entries joined or apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.match.arrangement import BOUND, root_mean_square
from parity.match.values import Index, Pooled, arranged, whole

_MOST = 8
"""So many pieces make up a value, at most."""


@dataclass(frozen=True)
class Piece:
    """Places `start` to `stop` along an axis of a whole value are all of the value `key`."""

    key: int
    axis: int
    start: int
    stop: int


class Pieces:
    """Values of the candidate, by key, among which pieces and wholes are looked for."""

    def __init__(self, values: Mapping[int, Pooled]) -> None:
        self.values = {key: pooled for key, pooled in values.items() if _usable(pooled)}
        self.index = Index()
        for key, pooled in self.values.items():
            self.index.add(key, pooled)

    def joined(self, pooled: Pooled) -> tuple[Piece, ...]:
        """Values that lie one behind the other along an axis of this one and make it up, at all lengths.

        Of complex numbers, real and imaginary parts lie along an axis of their own.
        """
        if not _usable(pooled):
            return ()
        pooled = tuple(np.stack([a.real, a.imag], -1) if a is not None and a.dtype.kind == "c" else a for a in pooled)
        first = pooled[0]
        assert first is not None
        for axis in range(first.ndim):
            pieces = self._filled(pooled, axis, first.shape[axis])
            if len(pieces) > 1:
                return pieces
        return ()

    def inside(self, pooled: Pooled) -> Piece | None:
        """A value of which this one is a piece: `key` is the larger one's."""
        if not _usable(pooled):
            return None
        first = pooled[0]
        assert first is not None
        for key, larger in self.values.items():
            array = larger[0]
            if array is None or not 1 < array.size / first.size <= _MOST:
                continue
            for axis in range(array.ndim):
                for start, stop in _windows(array, first, axis):
                    if _cut_equal(larger, pooled, axis, start, stop, array.shape[axis]):
                        return Piece(key, axis, start, stop)
        return None

    def _filled(self, pooled: Pooled, axis: int, length: int) -> tuple[Piece, ...]:
        first = pooled[0]
        assert first is not None
        row = first.size // length
        sizes = sorted((n // row for n in self.index.rows if n % row == 0 and n < first.size), reverse=True)
        pieces: list[Piece] = []
        start = 0
        while start < length and len(pieces) < _MOST:
            for count in sizes:
                stop = start + count
                if stop > length:
                    continue
                cut = _cut(pooled, axis, start, stop, length)
                hit = next(self.index.find(cut), None) if cut is not None else None
                if hit is not None:
                    pieces.append(Piece(hit[0], axis, start, stop))
                    start = stop
                    break
            else:
                return ()
        return tuple(pieces) if start == length else ()


def _usable(pooled: Pooled) -> bool:
    return whole(pooled) and all(array is not None and array.dtype.kind in "fc" and array.ndim for array in pooled)


def _cut(pooled: Pooled, axis: int, start: int, stop: int, length: int) -> Pooled | None:
    """The piece at every length: the axis has one length, or the piece is the same share of it."""
    cuts: list[np.ndarray | None] = []
    for array in pooled:
        assert array is not None
        if array.ndim <= axis:
            return None
        size = array.shape[axis]
        if (size * start) % length or (size * stop) % length:
            return None
        cuts.append(array.take(range(size * start // length, size * stop // length), axis))
    return tuple(cuts)


def _cut_equal(larger: Pooled, pooled: Pooled, axis: int, start: int, stop: int, length: int) -> bool:
    cut = _cut(larger, axis, start, stop, length)
    return cut is not None and arranged(cut, pooled) is not None


def _windows(array: np.ndarray, piece: np.ndarray, axis: int) -> Iterator[tuple[int, int]]:
    """Where along the axis as many elements as the piece has have the sum of its squares: nowhere beside infinity."""
    row = array.size // array.shape[axis]
    if piece.size % row:
        return
    count = piece.size // row
    others = tuple(one for one in range(array.ndim) if one != axis)
    sums = np.concatenate([[0.0], np.cumsum(np.sum(np.abs(array) ** 2, axis=others))])
    if not np.isfinite(sums[-1]):
        return
    want = piece.size * root_mean_square(piece) ** 2
    near = 10 * BOUND * max(want, float(sums[-1]) * 1e-3)
    for start in np.flatnonzero(np.abs(sums[count:] - sums[:-count] - want) <= near):
        yield int(start), int(start) + count
