"""Walking through arrays of one shape in pieces, however big their files are: what was read of a file is let go of."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.base.bfloat16 import BFloat16

PIECE = 1 << 16
"""Values that are looked at together. Three pieces of double fit into a core's cache."""

WINDOW = 1 << 22
"""Values after which the pages of mapped files are let go. An array of no more is walked in the order of its axes."""

BLOCK = 1 << 15
"""Values that are copied together where orders differ."""

SPAN = 1 << 25
GLANCE = 1 << 18
"""Values that are enough to see what an error looks like: what is made of them takes less than 100 MB."""

Index = tuple[slice, ...]


@dataclass(frozen=True)
class Place:
    """Where a piece is: its first element and its shape, with the axes in the order in which they are walked."""

    corner: tuple[int, ...]
    shape: tuple[int, ...]
    order: tuple[int, ...] = ()

    def at(self, number: int) -> tuple[int, ...]:
        """The index in the whole array of the element `number` of the piece."""
        walked = []
        for start, length in zip(reversed(self.corner), reversed(self.shape), strict=True):
            number, inside = divmod(number, length)
            walked.append(start + inside)
        walked.reverse()
        return tuple(walked[self.order.index(axis)] for axis in range(len(walked))) if self.order else tuple(walked)


def walk(*arrays: np.ndarray) -> Iterator[tuple[Place, list[np.ndarray]]]:
    """The arrays in pieces of at most `PIECE` values: where a piece is, and the piece of each.

    Arrays of more than `WINDOW` values are walked in the order in which all of them lie in memory. Where they lie in
    different orders, tiles of them are copied, so that a page of a mapped file is read once.
    """
    views = [array if isinstance(array, BFloat16) else np.asarray(array) for array in arrays]
    if views[0].size <= PIECE:
        yield Place((0,) * views[0].ndim, views[0].shape), views
        return
    if views[0].size <= WINDOW:
        views = [view if view.flags.c_contiguous else gathered(view) for view in views]
        for index in _pieces(views[0].shape):
            parts = [view[index] for view in views]
            yield Place(_corner(index), parts[0].shape), parts
        return
    order = _common_order(views)
    turned = [view.transpose(order) for view in views] if order else views
    done = 0
    for tile in [()] if order else _tiles(turned[0].shape):
        held = turned if order else [gathered(view[tile]) for view in turned]
        corner = _corner(tile) or (0,) * held[0].ndim
        for index in _pieces(held[0].shape):
            parts = [array[index] for array in held]
            start = tuple(outer + inner for outer, inner in zip(corner, _corner(index), strict=True))
            yield Place(start, parts[0].shape, order), parts
            done += parts[0].size
            if done >= WINDOW:
                done = 0
                release(*arrays)
    release(*arrays)


def consecutive(array: np.ndarray, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """An array in runs of at most so many elements, in the order of its axes, with the number of the first of each."""
    done = 0
    whole = array.flags.c_contiguous
    for held in [array] if whole or not array.size else (gathered(array[index]) for index in _pieces(array.shape)):
        flat = held.reshape(-1)
        for start in range(0, flat.size, most):
            yield done + start, flat[start : start + most]
            if whole and start % WINDOW == 0:
                release(array)
        done += flat.size
    release(array)


def around(where: tuple[int, ...], shape: tuple[int, ...], most: int) -> Index:
    """The part of at most so many values around an element, or all of an array that has no more."""
    part = list(shape)
    while math.prod(part) > most:
        longest = part.index(max(part))
        part[longest] = -(-part[longest] // 2)
    starts = [min(max(at - size // 2, 0), length - size) for at, size, length in zip(where, part, shape, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(starts, part, strict=True))


def gathered(array: np.ndarray) -> np.ndarray:
    """A copy of an array in the order of its axes, made from no more than `SPAN` bytes of a mapped file at a time.

    A page that is touched may bring two megabytes with it, and a row of a matrix may lie in each.
    """
    out = np.empty_like(array, order="C", subok=isinstance(array, BFloat16))
    _gather(array, out)
    return out


def _gather(array: np.ndarray, out: np.ndarray) -> None:
    spans = [(length - 1) * abs(stride) for length, stride in zip(array.shape, array.strides, strict=True)]
    if sum(spans) <= SPAN:
        _copy(array, out)
        release(array)
        return
    axis = spans.index(max(spans))
    half, before = array.shape[axis] // 2, (slice(None),) * axis
    for part in (slice(0, half), slice(half, None)):
        _gather(array[*before, part], out[*before, part])


def _copy(array: np.ndarray, out: np.ndarray) -> None:
    """In blocks that a core's cache holds where both lie in different orders: a line of memory is then read once."""
    if array.flags.c_contiguous or array.size <= BLOCK:
        np.copyto(out, array)
        return
    axis = array.shape.index(max(array.shape))
    half, before = array.shape[axis] // 2, (slice(None),) * axis
    for part in (slice(0, half), slice(half, None)):
        _copy(array[*before, part], out[*before, part])


def release(*arrays: np.ndarray) -> None:
    """Give back the memory that holds what was read of files that these arrays are mapped from. Nothing is lost."""
    for array in arrays:
        base: Any = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and not array.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)


def _corner(index: Index) -> tuple[int, ...]:
    return tuple(each.start for each in index)


def _pieces(shape: tuple[int, ...]) -> Iterator[Index]:
    """Indices of the parts of an array of at most `PIECE` values each, in the order of its axes."""
    axis, inner = len(shape), 1
    while axis and inner * shape[axis - 1] <= PIECE:
        axis -= 1
        inner *= shape[axis]
    after = tuple(slice(0, length) for length in shape[axis:])
    if not axis:
        yield after
        return
    step = PIECE // inner
    for outer in np.ndindex(shape[: axis - 1]):
        before = tuple(slice(i, i + 1) for i in outer)
        for start in range(0, shape[axis - 1], step):
            yield *before, slice(start, min(start + step, shape[axis - 1])), *after


def _common_order(arrays: list[np.ndarray]) -> tuple[int, ...]:
    """The order of axes in which all arrays are contiguous; empty where there is none."""
    order = tuple(sorted(range(arrays[0].ndim), key=lambda axis: -arrays[0].strides[axis]))
    return order if all(array.transpose(order).flags.c_contiguous for array in arrays) else ()


def _tiles(shape: tuple[int, ...]) -> Iterator[Index]:
    """Indices of tiles of at most `WINDOW` values, which are long along every axis."""
    tile = [part.stop for part in around((0,) * len(shape), shape, WINDOW)]
    counts = [-(-length // step) for length, step in zip(shape, tile, strict=True)]
    for place in np.ndindex(*counts):
        at = zip(place, tile, shape, strict=True)
        yield tuple(slice(i * step, min((i + 1) * step, length)) for i, step, length in at)
