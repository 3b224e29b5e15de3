"""The array of the stand-in: a NumPy array of doubles, integers or truth values, and the dtype that MLX would report.

A value is never written into while anything else can see it: slices and handles are copies, as they are in MLX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from parity.exact.operations import casts
from parity.exact.standin import dtypes
from parity.exact.standin.dispatch import STATE, Names
from parity.exact.standin.dtypes import Dtype


class array:
    """`mx.array(value, dtype)`: `value` is a scalar, nested lists, a NumPy array or an array; it is copied.

    `value` holds the numbers, `dtype` is what MLX would report. NumPy's float64 is reported as float32 and keeps its
    value. Operators and most methods are set from the functions in `methods`.
    """

    __slots__ = ("__weakref__", "dtype", "mark", "value")

    value: np.ndarray
    dtype: Dtype
    mark: Any
    __getitem__: Callable[[array, Any], array]

    def __init__(self, value: Any, dtype: Dtype | None = None):
        recorded = STATE.recorder is not None and any(isinstance(leaf, array) for leaf in _leaves(value))
        made = _CONVERSION["array"](value, dtype) if recorded else _of_dtype(value, dtype)
        self.value, self.dtype, self.mark = made.value, made.dtype, made.mark

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def itemsize(self) -> int:
        return self.dtype.size

    @property
    def nbytes(self) -> int:
        return self.value.size * self.dtype.size

    def item(self) -> Any:
        """The one number of an array of size 1, as Python's. Raises ValueError for other sizes."""
        if self.value.size != 1:
            raise ValueError("[convert] Only length-1 arrays can be converted to Python scalars.")
        return self.value.item()

    def tolist(self) -> Any:
        """Nested lists of Python's numbers, or one number."""
        return self.value.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if dtype is None or self.value.dtype == dtype:
            return self.value.copy() if copy else self.value.view()
        return self.value.astype(dtype)

    def __dlpack__(self, **options: Any) -> Any:
        return self.value.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.value.__dlpack_device__()

    def __len__(self) -> int:
        if not self.value.ndim:
            raise TypeError("len() of unsized object")
        return len(self.value)

    def __iter__(self) -> Iterator[array]:
        if not self.value.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[index] for index in range(len(self.value)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.value.ndim or self.value.dtype.kind not in "iu":
            raise TypeError("Only 0-dimensional integer arrays can be converted to an index.")
        return int(self.value)

    def __hash__(self) -> int:
        return id(self)

    def __copy__(self) -> array:
        return wrapped(self.value, self.dtype).rebind(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> array:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return wrapped, (self.value, self.dtype)

    def __repr__(self) -> str:
        return f"array({np.array2string(self.value, separator=', ', prefix='array(')}, dtype={self.dtype.name})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.value.size == 1 else format(str(self), spec)

    def rebind(self, other: array) -> array:
        """Become what `other` is, for every name of this array: what MLX does for an update in place."""
        self.value, self.dtype, self.mark = other.value, other.dtype, other.mark
        return self


_kept = (dtypes.float32, dtypes.float64)
_exact = list(_kept)
"""What a conversion between floating-point dtypes keeps every bit of."""


def halves_are_exact(yes: bool) -> None:
    """Whether half precision is one in name alone from now on: then a port takes its way for it, and nothing rounds."""
    _exact[:] = (*_kept, *dtypes.HALF) if yes else _kept


def cast(value: np.ndarray, source: Dtype, target: Dtype) -> np.ndarray:
    """A value as `astype` makes it, see `parity.exact.operations.casts`: float32 keeps the double."""
    if source is target or (source.is_floating and target in _exact):
        return value
    return casts.cast(value, source.name, target.name)


_new = array.__new__


def wrapped(value: Any, dtype: Dtype) -> array:
    """An array of a value as it is, neither copied nor converted: NumPy's array or scalar in the dtype's storage."""
    made = _new(array)
    made.value = value if type(value) is np.ndarray else np.asarray(value)
    made.dtype = dtype
    made.mark = None
    return made


def converted(value: Any) -> array:
    """What `mx.array(value)` is; an array as it is."""
    if isinstance(value, array):
        return value
    if hasattr(value, "__mlx_array__"):
        made: array = value.__mlx_array__()
        return made
    if isinstance(value, bool):
        return wrapped(np.array(value), dtypes.bool_)
    if isinstance(value, int):
        return wrapped(*_integers(np.array(value)))
    if isinstance(value, float):
        return wrapped(np.array(value, np.float64), dtypes.float32)
    if isinstance(value, complex):
        return wrapped(np.array(value, np.complex128), dtypes.complex64)
    if isinstance(value, list | tuple):
        return _from_list(value)
    found = np.asarray(value)
    dtype = dtypes.from_numpy(found.dtype)
    return wrapped(np.array(found, dtype.storage, order="C"), dtype)


def _integers(found: np.ndarray) -> tuple[np.ndarray, Dtype]:
    """MLX takes Python's integers as int32, and as int64 where one is too large."""
    small = not found.size or (found.min() >= -(2**31) and found.max() < 2**31)
    dtype = dtypes.int32 if small else dtypes.int64
    return found.astype(dtype.storage), dtype


def _from_list(value: list[Any] | tuple[Any, ...]) -> array:
    leaves = list(_leaves(value))
    if any(isinstance(leaf, array) for leaf in leaves):
        parts = [converted(part) for part in value]
        dtype = dtypes.result_type(*(part.dtype for part in parts))
        return wrapped(np.stack([cast(part.value, part.dtype, dtype) for part in parts]), dtype)
    for leaf in leaves:
        if not isinstance(leaf, bool | int | float | complex):
            raise ValueError(f"Invalid type {type(leaf).__name__} received in array initialization.")
    if not leaves or any(isinstance(leaf, float) for leaf in leaves):
        kind: Dtype = dtypes.float32
    elif all(isinstance(leaf, bool) for leaf in leaves):
        kind = dtypes.bool_
    else:
        kind = dtypes.int32
    if any(isinstance(leaf, complex) for leaf in leaves):
        kind = dtypes.complex64
    try:
        found = np.array(value, np.int64 if kind is dtypes.int32 else kind.storage)
    except ValueError as error:
        raise ValueError(f"Initialization encountered non-uniform length: {error}") from None
    return wrapped(*_integers(found)) if kind is dtypes.int32 else wrapped(found, kind)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


_CONVERSION = Names()


@_CONVERSION.operation
def array_(value: Any, dtype: Dtype | None = None) -> array:
    """An array made of others, alone or in lists."""
    return _of_dtype(value, dtype)


def _of_dtype(value: Any, dtype: Dtype | None) -> array:
    made = converted(value)
    if dtype is None or dtype is made.dtype:
        return wrapped(made.value, made.dtype)
    return wrapped(cast(made.value, made.dtype, dtype), dtype)


def scalar(value: Any, dtype: Dtype) -> array:
    """A Python scalar beside an array of `dtype`, as MLX takes it: it gives way to the array's dtype where it can.

    An integer beside truth values is an int32, a float beside integers a float32. Beside half precision a float is
    rounded to it.
    """
    if isinstance(value, bool):
        return wrapped(np.array(value, dtype.storage), dtype)
    if isinstance(value, int):
        if dtype is dtypes.bool_:
            return converted(value)
        if not dtype.is_inexact:
            limits = np.iinfo(dtype.storage)
            if not limits.min <= value <= limits.max and dtype is not dtypes.uint64:
                raise ValueError(f"Converting {value} to {dtype.name} would result in overflow.")
            return wrapped(np.array(value).astype(dtype.storage), dtype)
        return wrapped(_rounded(value, dtype), dtype)
    if isinstance(value, float):
        dtype = dtype if dtype.is_floating else dtypes.float32
        return wrapped(_rounded(value, dtype), dtype)
    return converted(value)


def _rounded(value: float, dtype: Dtype) -> np.ndarray:
    return cast(np.array(value, np.float64), dtypes.float32, dtype)


_PYTHON = (bool, int, float, complex)


def operands(a: Any, b: Any) -> tuple[array, array]:
    """Two operands, at least one of them an array where the other is a scalar or NumPy's, which gives way to it."""
    if type(a) is array:
        if type(b) is array:
            return a, b
        return a, scalar(b, a.dtype) if isinstance(b, _PYTHON) else _operand(b, a.dtype)
    if type(b) is array:
        return scalar(a, b.dtype) if isinstance(a, _PYTHON) else _operand(a, b.dtype), b
    if isinstance(a, array) or isinstance(b, array):
        return operands(*(wrapped(x.value, x.dtype) if isinstance(x, array) else x for x in (a, b)))
    return _operand(a), _operand(b)


def _operand(value: Any, dtype: Dtype | None = None) -> array:
    if isinstance(value, list | tuple | str | dict | set) or value is None:
        raise ValueError(f"Cannot perform this operation on an mlx.core.array and {type(value).__name__}")
    return (
        beside(value, dtype) if dtype is not None and isinstance(value, np.ndarray | np.generic) else converted(value)
    )


def beside(value: Any, dtype: Dtype) -> array:
    """NumPy's array beside an array of `dtype`: MLX takes it in that dtype, whatever it is."""
    made = converted(value)
    return wrapped(cast(made.value, made.dtype, dtype), dtype)


def asarray(value: Any) -> array:
    """An argument that must be an array or a scalar."""
    return value if type(value) is array else _operand(value)
