"""Sums over all of an array but one axis, for each of its axes: what each frame, channel or head holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.base.walk import Place


class Marginals:
    """Adds up several quantities of an array of that shape, piece by piece.

    `rows` has a column for each index of each axis that is longer than 1, axis after axis: (quantities, columns).
    """

    def __init__(self, quantities: int, shape: tuple[int, ...]):
        self.axes = [axis for axis, length in enumerate(shape) if length > 1]
        self.lengths = tuple(shape[axis] for axis in self.axes)
        self.starts, start = dict[int, int](), 0
        for axis, length in zip(self.axes, self.lengths, strict=True):
            self.starts[axis] = start
            start += length
        self.rows = np.zeros((quantities, start))

    def of(self, axis: int) -> np.ndarray:
        """The sums at each index of an axis, (quantities, length)."""
        start = self.starts[axis]
        return self.rows[:, start : start + self.lengths[self.axes.index(axis)]]

    def place(self, column: int) -> tuple[int, int]:
        """The axis and the index that a column is of."""
        axis = max(axis for axis in self.axes if self.starts[axis] <= column)
        return axis, column - self.starts[axis]

    def add(self, place: Place, values: np.ndarray) -> None:
        """The piece at that place: its elements in the order of the walk, (quantities, elements)."""
        order = place.order or tuple(range(len(place.shape)))
        kept = [position for position, axis in enumerate(order) if axis in self.starts]
        if not kept:
            return
        block = values.reshape(len(values), *(place.shape[position] for position in kept))
        for position, made in zip(kept, _each(block), strict=True):
            start = self.starts[order[position]] + place.corner[position]
            self.rows[:, start : start + made.shape[1]] += made


def _each(block: np.ndarray) -> Iterator[np.ndarray]:
    """The sums for each axis behind the first. Halves of the axes are added up first, so that two passes do for all."""
    axes = block.ndim - 1
    if axes == 1:
        yield block
        return
    half = 1 + axes // 2
    yield from _each(block.sum(axis=tuple(range(half, axes + 1))))
    yield from _each(block.sum(axis=tuple(range(1, half))))
