"""Reductions whose definition in MLX is more than NumPy's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Axes = int | Sequence[int] | None


def _tuple(axis: Axes) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def softmax(x: np.ndarray, axis: Axes = -1) -> np.ndarray:
    """exp(x) / Σ exp(x) over one axis, several or all (None). NaN where every value is -∞, or one is ∞ or NaN."""
    x, axis = np.asarray(x), _tuple(axis)
    if x.dtype.kind in "iub":
        x = x.astype(np.float64)
    if x.size == 0:
        return x
    with np.errstate(invalid="ignore"):
        powers = np.asarray(x - x.max(axis=axis, keepdims=True))
        np.exp(powers, out=powers)
        powers /= powers.sum(axis=axis, keepdims=True)
        return powers


def logsumexp(x: np.ndarray, axis: Axes = None, keepdims: bool = False) -> np.ndarray:
    """log Σ exp(x) over one axis, several or all (None): -∞ where every value is -∞, ∞ where one is ∞."""
    x, axis = np.asarray(x), _tuple(axis)
    if x.dtype.kind in "iub":
        x = x.astype(np.float64)
    largest = x.max(axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isinf(largest), 0, largest)
    with np.errstate(divide="ignore", over="ignore"):
        result = np.log(np.exp(x - shift).sum(axis=axis, keepdims=True)) + shift
    return np.asarray(result if keepdims else np.squeeze(result, axis))


def mean(x: np.ndarray, axis: Axes = None, keepdims: bool = False) -> np.ndarray:
    """Σ x / n: of booleans and integers in double; NaN of nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        x = np.asarray(x)
        return np.asarray(_sum(x, axis, keepdims) / _count(x, axis))


def variance(x: np.ndarray, axis: Axes = None, keepdims: bool = False, ddof: int = 0) -> np.ndarray:
    """Σ |x - mean|² / (n - ddof); a number divided by 0, ∞ or NaN, where n is not above ddof."""
    x = np.asarray(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.square(np.abs(x - mean(x, axis, True)))
        return np.asarray(_sum(apart, axis, keepdims) / max(_count(x, axis) - ddof, 0))


def standard_deviation(x: np.ndarray, axis: Axes = None, keepdims: bool = False, ddof: int = 0) -> np.ndarray:
    """The root of the variance."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(variance(x, axis, keepdims, ddof)))


def median(x: np.ndarray, axis: Axes = None, keepdims: bool = False) -> np.ndarray:
    """The middle value, or the mean of the two middle ones; NaN where a value is NaN."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.median(x, axis=_tuple(axis), keepdims=keepdims))


def reduce(x: np.ndarray, kind: str, axes: Axes = None, keepdims: bool = False) -> np.ndarray:
    """'and', 'or', 'sum', 'prod', 'min' or 'max' over axes, as the primitive Reduce gives it.

    Sums and products of booleans and of integers narrower than 32 bits are int32 (uint32 of unsigned ones); the others
    keep their dtype and wrap around. A largest or smallest value is NaN where one is.
    """
    x, axis = np.asarray(x), _tuple(axes)
    if kind in ("and", "or"):
        return np.asarray((np.all if kind == "and" else np.any)(x, axis=axis, keepdims=keepdims))
    if kind in ("min", "max"):
        return np.asarray((np.min if kind == "min" else np.max)(x, axis=axis, keepdims=keepdims))
    with np.errstate(over="ignore", invalid="ignore"):
        operation = np.sum if kind == "sum" else np.prod
        return np.asarray(operation(x, axis=axis, keepdims=keepdims, dtype=accumulated(x.dtype)))


def accumulated(dtype: np.dtype) -> np.dtype:
    """The dtype of a sum of values of a dtype."""
    if dtype.kind == "b" or (dtype.kind == "i" and dtype.itemsize < 4):
        return np.dtype(np.int32)
    return np.dtype(np.uint32) if dtype.kind == "u" and dtype.itemsize < 4 else dtype


def _sum(x: np.ndarray, axis: Axes, keepdims: bool) -> np.ndarray:
    double = np.complex128 if x.dtype.kind == "c" else np.float64
    return np.asarray(np.sum(x, axis=_tuple(axis), keepdims=keepdims, dtype=double))


def _count(x: np.ndarray, axis: Axes) -> int:
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return int(np.prod([x.shape[each] for each in axes], dtype=np.int64))
