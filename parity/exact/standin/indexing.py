"""Reading and updating parts of arrays."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from parity.exact.standin import dtypes
from parity.exact.standin.array import _PYTHON, array, asarray, cast, scalar, wrapped
from parity.exact.standin.dispatch import STATE, Names

NAMES = Names()


def _index(index: Any, masks: bool = False) -> Any:
    """An index as NumPy takes it. MLX reads no part by truth values, and takes one array of them for an update."""
    if isinstance(index, tuple):
        if sum(one is Ellipsis for one in index) > 1:
            raise ValueError("An index can only have a single ellipsis (...)")
        return tuple(_one(one) for one in index)
    if masks and isinstance(index, bool):
        return index
    if masks and isinstance(index, array) and index.dtype is dtypes.bool_:
        return index.value
    return _one(index)


def _one(index: Any) -> Any:
    kind = type(index)
    if kind is int or kind is slice or index is None or index is Ellipsis:
        return index
    if isinstance(index, array):
        if index.dtype is dtypes.bool_:
            raise ValueError("boolean indices are not yet supported")
        if index.dtype.is_inexact:
            raise ValueError("[gather] Got indices with invalid dtype. Indices must be integral.")
        return index.value
    if isinstance(index, list):
        return _one(asarray_of(index))
    if isinstance(index, bool | str | float | np.ndarray) or not hasattr(index, "__index__"):
        raise ValueError("Cannot index mlx array using the given type.")
    return index.__index__()


def asarray_of(index: list[Any]) -> array:
    """An index that is a list."""
    return array(index)


@NAMES.operation
def getitem(a: array, index: Any) -> array:
    return wrapped(a.value[_index(index)], a.dtype)


@NAMES.operation
def setitem(a: array, index: Any, value: Any) -> array:
    """What `a` is after `a[index] = value`."""
    made = a.value.copy()
    _put(made, index, _value(a, value))
    return wrapped(made, a.dtype)


def _put(numbers: np.ndarray, index: Any, value: np.ndarray) -> None:
    part, rest = _place(numbers, _index(index, masks=True))
    part[rest] = value


def _place(numbers: np.ndarray, index: Any) -> tuple[np.ndarray, Any]:
    """The part that an update writes to, and the index within it.

    MLX takes integers first, and only then arrays: NumPy would have an integer count among the arrays, and put their
    axes in front where a slice stands between.
    """
    if not isinstance(index, tuple) or not any(isinstance(one, np.ndarray) for one in index):
        return numbers, index
    if not any(isinstance(one, int) for one in index):
        return numbers, index
    whole = slice(None)
    first = tuple(whole if isinstance(one, np.ndarray) else one for one in index if one is not None)
    rest = tuple(
        one if one is None or one is Ellipsis or isinstance(one, np.ndarray) else whole
        for one in index
        if not isinstance(one, int)
    )
    return numbers[first], rest


def _value(a: array, value: Any) -> np.ndarray:
    value = scalar(value, a.dtype) if isinstance(value, _PYTHON) else asarray(value)
    return cast(value.value, value.dtype, a.dtype)


def assign(a: array, index: Any, value: Any) -> None:
    """`a[index] = value`. Numbers that nothing else holds are written where they lie."""
    if STATE.recorder is None and sys.getrefcount(a.value) == _ALONE and a.value.flags.owndata:
        with np.errstate(all="ignore"):
            _put(a.value, index, _value(a, value))
        return
    a.rebind(NAMES["setitem"](a, index, value))


_ALONE = 2  # references to a value: the array's own, and the argument that asks for their number


class ArrayAt:
    """`a.at`: `a.at[index].add(value)` is `a` with values added, each one of an index that is there twice."""

    def __init__(self, a: array, index: Any = None):
        self.a, self.index = a, index

    def __getitem__(self, index: Any) -> ArrayAt:
        return ArrayAt(self.a, index)

    def add(self, value: Any) -> Any:
        return NAMES["at_add"](self.a, self.index, value)

    def subtract(self, value: Any) -> Any:
        return NAMES["at_subtract"](self.a, self.index, value)

    def multiply(self, value: Any) -> Any:
        return NAMES["at_multiply"](self.a, self.index, value)

    def divide(self, value: Any) -> Any:
        return NAMES["at_divide"](self.a, self.index, value)

    def maximum(self, value: Any) -> Any:
        return NAMES["at_maximum"](self.a, self.index, value)

    def minimum(self, value: Any) -> Any:
        return NAMES["at_minimum"](self.a, self.index, value)


def _combine(ufunc: Any, numbers: np.ndarray, index: Any, value: np.ndarray) -> None:
    part, rest = _place(numbers, _index(index))
    while value.ndim and value.shape[0] == 1:  # as MLX: for NumPy the value may have no axes more than the part
        value = value[0]
    ufunc.at(part, rest, value)


def _update(name: str, ufunc: Any) -> None:
    def function(a: array, index: Any, value: Any) -> array:
        made = a.value.copy()
        _combine(ufunc, made, index, _value(a, value))
        return wrapped(made, a.dtype)

    function.__name__ = f"at_{name}"
    NAMES.operation(function)


for _name, _ufunc in {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}.items():
    _update(_name, _ufunc)


@NAMES.operation
def at_divide(a: array, index: Any, value: Any) -> array:
    """Divided. Integers are multiplied by the divisor's reciprocal as an integer, as MLX does: 0 but for 1 and -1."""
    made, value = a.value.copy(), _value(a, value)
    if a.dtype.is_inexact:
        _combine(np.divide, made, index, value)
    else:
        _combine(np.multiply, made, index, (1 / value.astype(np.float64)).astype(a.dtype.storage))
    return wrapped(made, a.dtype)


FUNCTIONS = Names()


@FUNCTIONS.operation
def take(a: Any, /, indices: Any, axis: int | None = None) -> array:
    a, indices = asarray(a), asarray(indices)
    return wrapped(np.take(a.value, indices.value, axis), a.dtype)


@FUNCTIONS.operation
def take_along_axis(a: Any, /, indices: Any, axis: int | None = -1) -> array:
    a, indices = asarray(a), asarray(indices)
    value = np.take_along_axis(a.value, indices.value.astype(np.int64, copy=False), axis)
    return wrapped(value, a.dtype)


@FUNCTIONS.operation
def put_along_axis(a: Any, /, indices: Any, values: Any, axis: int | None = None) -> array:
    a, indices = asarray(a), asarray(indices)
    made = a.value.copy()
    np.put_along_axis(made, indices.value.astype(np.int64, copy=False), _value(a, values), axis)
    return wrapped(made, a.dtype)


def _window(a: array, start: Any, axes: Any, sizes: Any) -> tuple[slice, ...]:
    window = [slice(None)] * a.ndim
    for axis, first, size in zip(axes, np.atleast_1d(asarray(start).value).tolist(), sizes, strict=True):
        window[axis] = slice(first, first + size)
    return tuple(window)


@FUNCTIONS.operation
def slice_(a: Any, start_indices: Any, axes: Any, slice_size: Any) -> array:
    """The window of `slice_size` that starts at `start_indices` on `axes`, whole on the others."""
    a = asarray(a)
    sizes = [slice_size[axis] for axis in axes]
    window = list(_window(a, start_indices, axes, sizes))
    for axis, size in enumerate(slice_size):
        if axis not in [one % a.ndim for one in axes]:
            window[axis] = slice(0, size)
    return wrapped(a.value[tuple(window)], a.dtype)


@FUNCTIONS.operation
def slice_update(a: Any, update: Any, start_indices: Any, axes: Any) -> array:
    a = asarray(a)
    made = a.value.copy()
    value = _value(a, update)
    made[_window(a, start_indices, axes, [value.shape[axis] for axis in axes])] = value
    return wrapped(made, a.dtype)
