"""Primitives that read or write parts of an array, sort it or search in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.exact.operations import indexing, sorting
from parity.exact.primitives.registry import primitive

MODES = {"mode": ("max", "min", "sum", "prod", "none")}
"""How an update meets what is there."""


@primitive("Slice", "start", "stop", "step")
def slice_(x: np.ndarray, *, start: Sequence[int], stop: Sequence[int], step: Sequence[int]) -> np.ndarray:
    return x[indexing.windows(x.shape, start, stop, step)]


@primitive("SliceUpdate", "mode", "start", "stop", "step", choices=MODES)
def slice_update(
    x: np.ndarray, update: np.ndarray, *, mode: str, start: Sequence[int], stop: Sequence[int], step: Sequence[int]
) -> np.ndarray:
    return indexing.slice_update(x, update, start, stop, step, mode)


@primitive("DynamicSlice", "axes", "sizes")
def dynamic_slice(x: np.ndarray, start: np.ndarray, *, axes: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
    return indexing.dynamic_slice(x, start, axes, sizes)


@primitive("DynamicSliceUpdate", "axes")
def dynamic_slice_update(x: np.ndarray, update: np.ndarray, start: np.ndarray, *, axes: Sequence[int]) -> np.ndarray:
    return indexing.dynamic_slice_update(x, update, start, axes)


@primitive("Gather", "axes", "sizes")
def gather(x: np.ndarray, *indices: np.ndarray, axes: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
    return indexing.gather(x, indices, axes, sizes)


@primitive("GatherAxis", "axis")
def gather_axis(x: np.ndarray, indices: np.ndarray, *, axis: int) -> np.ndarray:
    return indexing.gather_axis(x, indices, axis)


@primitive("Scatter", "mode", "axes", choices=MODES)
def scatter(x: np.ndarray, *others: np.ndarray, mode: str, axes: Sequence[int]) -> np.ndarray:
    """The others are the indices, one array an axis, and at last the updates."""
    return indexing.scatter(x, others[:-1], others[-1], axes, mode)


@primitive("ScatterAxis", "mode", "axis", choices={"mode": ("sum", "none")})
def scatter_axis(x: np.ndarray, indices: np.ndarray, updates: np.ndarray, *, mode: str, axis: int) -> np.ndarray:
    return indexing.scatter_axis(x, indices, updates, axis, mode)


@primitive("MaskedScatter")
def masked_scatter(x: np.ndarray, mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    return indexing.masked_scatter(x, mask, values)


@primitive("ArgReduce", "operation", "axis", choices={"operation": ("min", "max")})
def arg_reduce(x: np.ndarray, *, operation: str, axis: int) -> np.ndarray:
    """The place of the smallest value, or of the largest."""
    return (sorting.argmin if operation == "min" else sorting.argmax)(x, axis, keepdims=True)


@primitive("Sort", "axis")
def sort(x: np.ndarray, *, axis: int) -> np.ndarray:
    return sorting.sort(x, axis)


@primitive("ArgSort", "axis")
def argsort(x: np.ndarray, *, axis: int) -> np.ndarray:
    return sorting.argsort(x, axis)


@primitive("Partition", "kth", "axis")
def partition(x: np.ndarray, *, kth: int, axis: int) -> np.ndarray:
    return sorting.partition(x, kth, axis)


@primitive("ArgPartition", "kth", "axis")
def argpartition(x: np.ndarray, *, kth: int, axis: int) -> np.ndarray:
    return sorting.argpartition(x, kth, axis)


@primitive("SearchSorted", "right")
def searchsorted(ordered: np.ndarray, values: np.ndarray, *, right: bool) -> np.ndarray:
    return sorting.searchsorted(ordered, values, right)
