"""Sorting and searching. NaN is larger than every number; equal values keep their order."""

from __future__ import annotations

import numpy as np


def sort(x: np.ndarray, axis: int | None = -1) -> np.ndarray:
    """x in ascending order along an axis, or flattened (None)."""
    return np.asarray(np.sort(x, axis=axis, kind="stable"))


def argsort(x: np.ndarray, axis: int | None = -1) -> np.ndarray:
    """The indices (uint32) that sort x; of equal values the earlier one comes first."""
    return np.argsort(x, axis=axis, kind="stable").astype(np.uint32)


def partition(x: np.ndarray, kth: int, axis: int | None = -1) -> np.ndarray:
    """x with its kth smallest value in place, smaller ones before and larger ones behind it.

    Of the orders that the definition leaves open it is the sorted one. An order that MLX gives is another.
    """
    del kth
    return sort(x, axis)


def argpartition(x: np.ndarray, kth: int, axis: int | None = -1) -> np.ndarray:
    """The indices (uint32) that partition x, in the order of `partition`."""
    del kth
    return argsort(x, axis)


def topk(x: np.ndarray, k: int, axis: int | None = -1) -> np.ndarray:
    """The k largest values, ascending; MLX promises no order. Where k is the whole axis, x as it is."""
    if axis is None:
        x, axis = x.reshape(-1), 0
    size = x.shape[axis]
    if k == size:
        return x
    return np.asarray(np.take(sort(x, axis), np.arange(size - k, size), axis))


def argmax(x: np.ndarray, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
    """The index (uint32) of the largest value, the first of equal ones; of the first NaN where there is one."""
    return np.asarray(np.argmax(x, axis=axis, keepdims=keepdims)).astype(np.uint32)


def argmin(x: np.ndarray, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
    """The index (uint32) of the smallest value, the first of equal ones; of the first NaN where there is one."""
    return np.asarray(np.argmin(x, axis=axis, keepdims=keepdims)).astype(np.uint32)


def searchsorted(ordered: np.ndarray, values: np.ndarray, right: bool = False) -> np.ndarray:
    """Where values go into an ascending array (uint32): before equal ones, or behind them (`right`)."""
    return np.searchsorted(ordered, values, side="right" if right else "left").astype(np.uint32)


def unique(
    x: np.ndarray, size: int, fill_value: np.ndarray | float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The `size` smallest distinct values, ascending; where each stands first; what rebuilds x; how often each occurs.

    Where there are fewer, the rest holds `fill_value`, or the smallest value, and a count of 0. Each NaN is distinct.
    """
    values, index, inverse, counts = np.unique(
        x.reshape(-1), return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    missing = max(size - len(values), 0)
    filler = values[:1] if fill_value is None else np.asarray([fill_value])
    values = np.concatenate([values[:size], np.repeat(filler.astype(x.dtype), missing)])
    index = np.concatenate([index[:size], np.repeat(index[:1], missing)])
    counts = np.concatenate([counts[:size], np.zeros(missing, counts.dtype)])
    inverse = np.minimum(inverse.reshape(x.shape), max(size - 1, 0))
    return values, index.astype(np.uint32), inverse.astype(np.uint32), counts.astype(np.int32)
