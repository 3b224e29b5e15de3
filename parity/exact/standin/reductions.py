"""Functions along axes: sums and other reductions, running sums, softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import Dtype
from parity.exact.standin.elementwise import doubled, inexact

NAMES = Names()
Axis = int | Sequence[int] | None


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...] | None:
    """An axis or several as NumPy takes them; None for all. Raises ValueError for one that there is not."""
    if axis is None:
        return None
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for one in axes:
        if not -ndim <= one < ndim:
            raise ValueError(f"Invalid axis {one} for array with {ndim} dimensions.")
    return axes


def _reduction(name: str, compute: Callable[..., Any], to: Callable[[Dtype], Dtype]) -> None:
    """A reduction over one axis, several or all. `to` is the dtype that it is made in and reported in."""

    def function(a: Any, /, axis: Axis = None, keepdims: bool = False) -> array:
        a = asarray(a)
        dtype = to(a.dtype)
        value = a.value if a.dtype.storage is dtype.storage else a.value.astype(dtype.storage)
        return wrapped(compute(value, axis=axes_of(axis, a.ndim), keepdims=keepdims), dtype)

    function.__name__ = function.__qualname__ = name
    NAMES.operation(function)


def _summed(dtype: Dtype) -> Dtype:
    """Truth values and small integers are summed as int32, unsigned ones as uint32."""
    if dtype is dtypes.bool_ or dtype in (dtypes.int8, dtypes.int16):
        return dtypes.int32
    return dtypes.uint32 if dtype in (dtypes.uint8, dtypes.uint16) else dtype


def _sum(value: np.ndarray, axis: Any, keepdims: bool) -> Any:
    return np.sum(value, axis=axis, keepdims=keepdims, dtype=value.dtype)


def _prod(value: np.ndarray, axis: Any, keepdims: bool) -> Any:
    return np.prod(value, axis=axis, keepdims=keepdims, dtype=value.dtype)


_reduction("sum", _sum, _summed)
_reduction("prod", _prod, _summed)
_reduction("mean", np.mean, inexact)
_reduction("max", np.max, lambda dtype: dtype)
_reduction("min", np.min, lambda dtype: dtype)
_reduction("all", np.all, lambda dtype: dtypes.bool_)
_reduction("any", np.any, lambda dtype: dtypes.bool_)
_reduction("count_nonzero", _sum, lambda dtype: dtypes.int32)
_reduction("median", np.median, inexact)


@NAMES.operation
def var(a: Any, /, axis: Axis = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None) -> array:
    """The variance, over `n - ddof`."""
    a = asarray(a)
    ddof = ddof if correction is None else correction
    value = np.var(doubled(a), axis=axes_of(axis, a.ndim), keepdims=keepdims, ddof=ddof)
    return wrapped(value, inexact(a.dtype))


@NAMES.operation
def std(a: Any, /, axis: Axis = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None) -> array:
    """The standard deviation, over `n - ddof`."""
    a = asarray(a)
    ddof = ddof if correction is None else correction
    value = np.std(doubled(a), axis=axes_of(axis, a.ndim), keepdims=keepdims, ddof=ddof)
    return wrapped(value, inexact(a.dtype))


@NAMES.operation
def minmax(a: Any, /, axis: Axis = None, keepdims: bool = False) -> tuple[array, array]:
    return NAMES["min"](a, axis, keepdims), NAMES["max"](a, axis, keepdims)


@NAMES.operation
def argmax(a: Any, /, axis: int | None = None, keepdims: bool = False) -> array:
    a = asarray(a)
    return wrapped(np.argmax(a.value, axis=axis, keepdims=keepdims).astype(np.uint32), dtypes.uint32)


@NAMES.operation
def argmin(a: Any, /, axis: int | None = None, keepdims: bool = False) -> array:
    a = asarray(a)
    return wrapped(np.argmin(a.value, axis=axis, keepdims=keepdims).astype(np.uint32), dtypes.uint32)


@NAMES.operation
def softmax(a: Any, /, axis: Axis = None, *, precise: bool = False) -> array:
    """exp(a) over its sum; integers give float32 cast back, as in MLX."""
    a = asarray(a)
    axes = axes_of(axis, a.ndim)
    value = doubled(a)
    raised = np.exp(value - np.max(value, axis=axes, keepdims=True))
    raised /= np.sum(raised, axis=axes, keepdims=True)
    return wrapped(raised, a.dtype) if a.dtype.is_inexact else wrapped(raised.astype(a.dtype.storage), a.dtype)


@NAMES.operation
def logsumexp(a: Any, /, axis: Axis = None, keepdims: bool = False) -> array:
    a = asarray(a)
    axes, value = axes_of(axis, a.ndim), doubled(a)
    largest = np.max(value, axis=axes, keepdims=True)
    finite = np.where(np.isfinite(largest), largest, 0)
    found = np.log(np.sum(np.exp(value - finite), axis=axes, keepdims=True)) + finite
    return wrapped(found if keepdims else np.squeeze(found, axis=axes), inexact(a.dtype))


def _running(name: str, accumulate: Callable[..., Any], to: Callable[[Dtype], Dtype], first: Any) -> None:
    """A running reduction along an axis, of the flattened array without one."""

    def function(
        a: Any,
        /,
        axis: int | None = None,
        *,
        reverse: bool = False,
        inclusive: bool = True,
        dtype: Dtype | None = None,
    ) -> array:
        a = asarray(a)
        kind = to(a.dtype) if dtype is None else dtype
        value = a.value.reshape(-1) if axis is None else a.value
        value, along = value.astype(kind.storage), 0 if axis is None else axis
        if reverse:
            value = np.flip(value, along)
        value = accumulate(value, axis=along)
        if not inclusive:
            start = np.full_like(np.take(value, [0], along), first(kind)) if value.size else value
            kept = [slice(None)] * value.ndim
            kept[along] = slice(0, value.shape[along] - 1)
            value = np.concatenate([start, value[tuple(kept)]], along)
        return wrapped(np.flip(value, along) if reverse else value, kind)

    function.__name__ = function.__qualname__ = name
    NAMES.operation(function)


def _least(dtype: Dtype) -> Any:
    return -np.inf if dtype.is_floating else np.iinfo(dtype.storage).min


def _largest(dtype: Dtype) -> Any:
    return np.inf if dtype.is_floating else np.iinfo(dtype.storage).max


_running("cumsum", np.add.accumulate, lambda dtype: dtypes.int32 if dtype is dtypes.bool_ else dtype, lambda dtype: 0)
_running("cumprod", np.multiply.accumulate, lambda dtype: dtype, lambda dtype: 1)
_running("cummax", np.maximum.accumulate, lambda dtype: dtype, _least)
_running("cummin", np.minimum.accumulate, lambda dtype: dtype, _largest)
_running("logcumsumexp", np.logaddexp.accumulate, inexact, lambda dtype: -np.inf)
NAMES["cumulative_sum"], NAMES["cumulative_prod"] = NAMES["cumsum"], NAMES["cumprod"]
