"""Primitives that read or write parts of an array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.exact.primitives.registry import primitive


def slices(start: Sequence[int], stop: Sequence[int], step: Sequence[int]) -> tuple[slice, ...]:
    """MLX writes the end before the first element as -1; NumPy takes that for the last one."""
    return tuple(
        slice(first, None if stride < 0 and last < 0 else last, stride)
        for first, last, stride in zip(start, stop, step, strict=True)
    )


@primitive("Slice", "start", "stop", "step")
def slice_(x: np.ndarray, *, start: Sequence[int], stop: Sequence[int], step: Sequence[int]) -> np.ndarray:
    return x[slices(start, stop, step)]


@primitive("SliceUpdate", "operation", "start", "stop", "step")
def slice_update(
    x: np.ndarray,
    update: np.ndarray,
    *,
    operation: int,
    start: Sequence[int],
    stop: Sequence[int],
    step: Sequence[int],
) -> np.ndarray:
    """`operation` numbers MLX's: max, min, sum, prod, and none, which replaces."""
    result, part = x.copy(), slices(start, stop, step)
    function = (np.maximum, np.minimum, np.add, np.multiply, lambda old, new: new)[operation]
    result[part] = function(result[part], update)
    return result


@primitive("Gather", "axes", "sizes")
def gather(x: np.ndarray, *indices: np.ndarray, axes: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
    """Of each index a block of `sizes`: result (*indices, *sizes). A negative index counts from the end."""
    start = np.broadcast_arrays(*indices)[0].shape if indices else ()
    places = []
    for axis, size in enumerate(sizes):
        place = np.arange(size).reshape((-1,) + (1,) * (x.ndim - axis - 1))
        if axis in axes:
            index = indices[list(axes).index(axis)].astype(np.int64)
            index = np.where(index < 0, index + x.shape[axis], index)
            place = place + np.broadcast_to(index, start).reshape(start + (1,) * x.ndim)
        places.append(place)
    return np.asarray(x[tuple(places)])
