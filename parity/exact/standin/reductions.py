"""Functions along axes: sums and other reductions, running sums, softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from parity.exact.operations import reductions, scan, sorting
from parity.exact.program import NoProgram
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, cast, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import Dtype
from parity.exact.standin.elementwise import doubled, inexact, real_of

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
    """A reduction over one axis, several or all; `to` is the dtype that is reported of it."""

    def function(a: Any, /, axis: Axis = None, keepdims: bool = False) -> array:
        a = asarray(a)
        return wrapped(compute(a.value, axes_of(axis, a.ndim), keepdims), to(a.dtype))

    function.__name__ = name
    NAMES.operation(function)


def _same(dtype: Dtype) -> Dtype:
    return dtype


def _summed(dtype: Dtype) -> Dtype:
    """Truth values and small integers are summed as int32, unsigned ones as uint32."""
    return dtype if dtype.is_inexact else dtypes.named(reductions.accumulated(dtype.storage).name)


def _truth(dtype: Dtype) -> Dtype:
    return dtypes.bool_


def _reduce(kind: str) -> Callable[..., Any]:
    return lambda value, axes, keepdims: reductions.reduce(value, kind, axes, keepdims)


_reduction("sum", _reduce("sum"), _summed)
_reduction("prod", _reduce("prod"), _summed)
_reduction("max", _reduce("max"), _same)
_reduction("min", _reduce("min"), _same)
_reduction("all", _reduce("and"), _truth)
_reduction("any", _reduce("or"), _truth)
_reduction("mean", reductions.mean, inexact)
_reduction("median", reductions.median, inexact)


@NAMES.operation
def count_nonzero(a: Any, /, *, axis: Axis = None, keepdims: bool = False) -> array:
    a = asarray(a)
    return wrapped(reductions.reduce(a.value != 0, "sum", axes_of(axis, a.ndim), keepdims), dtypes.int32)


@NAMES.operation
def var(a: Any, /, axis: Axis = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None) -> array:
    """The variance, over `n - ddof`."""
    a = asarray(a)
    ddof = ddof if correction is None else correction
    return wrapped(reductions.variance(a.value, axes_of(axis, a.ndim), keepdims, ddof), real_of(a.dtype))


@NAMES.operation
def std(a: Any, /, axis: Axis = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None) -> array:
    """The standard deviation, over `n - ddof`."""
    a = asarray(a)
    ddof = ddof if correction is None else correction
    return wrapped(reductions.standard_deviation(a.value, axes_of(axis, a.ndim), keepdims, ddof), real_of(a.dtype))


@NAMES.operation
def minmax(a: Any, /, axis: Axis = None, keepdims: bool = False) -> tuple[array, array]:
    return NAMES["min"](a, axis, keepdims), NAMES["max"](a, axis, keepdims)


@NAMES.operation
def argmax(a: Any, /, axis: int | None = None, keepdims: bool = False) -> array:
    return wrapped(sorting.argmax(asarray(a).value, axis, keepdims), dtypes.uint32)


@NAMES.operation
def argmin(a: Any, /, axis: int | None = None, keepdims: bool = False) -> array:
    return wrapped(sorting.argmin(asarray(a).value, axis, keepdims), dtypes.uint32)


@NAMES.operation
def softmax(a: Any, /, axis: Axis = None, *, precise: bool = False) -> array:
    """exp(a) over its sum. Of integers it is a float along the last axis, else cast back to integers, as in MLX."""
    a = asarray(a)
    axes = axes_of(axis, a.ndim)
    value = reductions.softmax(a.value, axes)
    along = range(a.ndim) if axes is None else [one % a.ndim for one in axes]
    if a.dtype.is_inexact or list(along) == [a.ndim - 1]:
        return wrapped(value, inexact(a.dtype))
    return wrapped(cast(value, dtypes.float32, a.dtype), a.dtype)


@NAMES.operation
def logsumexp(a: Any, /, axis: Axis = None, keepdims: bool = False) -> array:
    a = asarray(a)
    return wrapped(reductions.logsumexp(doubled(a), axes_of(axis, a.ndim), keepdims), inexact(a.dtype))


def _running(name: str, kind: str, to: Callable[[Dtype], Dtype], typed: bool = False) -> None:
    """A running reduction along an axis, of the flattened array without one. With `typed` a dtype can be asked for."""

    def function(
        a: Any, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Any = None
    ) -> array:
        a = asarray(a)
        if dtype is not None and not typed:
            raise TypeError(f"{name}() takes no dtype")
        made = a.dtype if dtype is None else dtype
        if kind == "logaddexp" and made is dtypes.complex64:
            raise NoProgram(
                f"mx.{name} of complex numbers has no definition in double here; take logaddexp step by step"
            )
        value = doubled(a) if kind == "logaddexp" else cast(a.value, a.dtype, made)
        value, along = (value.reshape(-1), 0) if axis is None else (value, axis)
        found = scan.scan(value, kind, along, reverse, inclusive)
        return wrapped(found.astype(to(made).storage, copy=False), to(made))

    function.__name__ = name
    NAMES.operation(function)


def _counted(dtype: Dtype) -> Dtype:
    return dtypes.int32 if dtype is dtypes.bool_ else dtype


_running("cumsum", "sum", _counted, typed=True)
_running("cumprod", "prod", _same, typed=True)
_running("cummax", "max", _same)
_running("cummin", "min", _same)
_running("logcumsumexp", "logaddexp", inexact)
NAMES["cumulative_sum"], NAMES["cumulative_prod"] = NAMES["cumsum"], NAMES["cumprod"]
