"""Sums over all of an array but one axis, for each of its axes: what each frame, channel or head holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from parity.base.walk import Place

Sums = Mapping[int, np.ndarray]
"""Of each axis that is longer than 1: the sums at each of its indices, (quantities, length)."""


class Marginals:
    """Adds up several quantities of an array of that shape, piece by piece."""

    def __init__(self, quantities: int, shape: tuple[int, ...]):
        self.sums = {axis: np.zeros((quantities, length)) for axis, length in enumerate(shape) if length > 1}

    def add(self, place: Place, values: np.ndarray) -> None:
        """The piece at that place: its elements in the order of the walk, (quantities, elements)."""
        order = place.order or tuple(range(len(place.shape)))
        kept = [position for position, axis in enumerate(order) if axis in self.sums]
        if not kept:
            return
        block = values.reshape(len(values), *(place.shape[position] for position in kept))
        for position, made in zip(kept, _each(block), strict=True):
            start = place.corner[position]
            self.sums[order[position]][:, start : start + made.shape[1]] += made


def _each(block: np.ndarray) -> Iterator[np.ndarray]:
    """The sums for each axis behind the first. Halves of the axes are added up first, so that two passes do for all."""
    axes = block.ndim - 1
    if axes == 1:
        yield block
        return
    half = 1 + axes // 2
    yield from _each(block.sum(axis=tuple(range(half, axes + 1))))
    yield from _each(block.sum(axis=tuple(range(1, half))))
