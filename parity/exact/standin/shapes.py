"""Functions that move elements: shapes, axes, joins and splits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, cast, operands, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import Dtype, result_type

NAMES = Names()


def _same(a: array, value: np.ndarray) -> array:
    return wrapped(value, a.dtype)


def _axis(axis: int, ndim: int, name: str) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"[{name}] Invalid axis {axis} for array with {ndim} dimensions.")
    return axis % ndim


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape given as one integer or several."""
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(size) for size in shape)


@NAMES.operation
def reshape(a: Any, /, shape: Sequence[int]) -> array:
    a = asarray(a)
    try:
        return _same(a, a.value.reshape(shape_of(shape)))
    except ValueError:
        raise ValueError(
            f"[reshape] Cannot reshape array of size {a.size} into shape {tuple(shape_of(shape))}."
        ) from None


@NAMES.operation
def flatten(a: Any, /, start_axis: int = 0, end_axis: int = -1) -> array:
    a = asarray(a)
    if not a.ndim:
        return _same(a, a.value.reshape(1))
    start, end = _axis(start_axis, a.ndim, "flatten"), _axis(end_axis, a.ndim, "flatten")
    if end < start:
        raise ValueError("[flatten] start_axis must be less than or equal to end_axis.")
    merged = math.prod(a.shape[start : end + 1])
    return _same(a, a.value.reshape(*a.shape[:start], merged, *a.shape[end + 1 :]))


@NAMES.operation
def unflatten(a: Any, /, axis: int, shape: Sequence[int]) -> array:
    a = asarray(a)
    axis = _axis(axis, a.ndim, "unflatten")
    shape = [int(size) for size in shape]
    if -1 in shape:
        known = -math.prod(shape)
        shape[shape.index(-1)] = a.shape[axis] // known if known else 0
    return _same(a, a.value.reshape(*a.shape[:axis], *shape, *a.shape[axis + 1 :]))


@NAMES.operation
def transpose(a: Any, /, axes: Sequence[int] | None = None) -> array:
    a = asarray(a)
    return _same(a, np.transpose(a.value, None if axes is None else tuple(axes)))


@NAMES.operation
def matrix_transpose(a: Any, /) -> array:
    a = asarray(a)
    return _same(a, np.swapaxes(a.value, -1, -2))


@NAMES.operation
def swapaxes(a: Any, /, axis1: int, axis2: int) -> array:
    a = asarray(a)
    return _same(a, np.swapaxes(a.value, _axis(axis1, a.ndim, "swapaxes"), _axis(axis2, a.ndim, "swapaxes")))


@NAMES.operation
def moveaxis(a: Any, /, source: int, destination: int) -> array:
    a = asarray(a)
    return _same(a, np.moveaxis(a.value, _axis(source, a.ndim, "moveaxis"), _axis(destination, a.ndim, "moveaxis")))


@NAMES.operation
def expand_dims(a: Any, /, axis: int | Sequence[int]) -> array:
    a = asarray(a)
    return _same(a, np.expand_dims(a.value, axis if isinstance(axis, int) else tuple(axis)))


@NAMES.operation
def squeeze(a: Any, /, axis: int | Sequence[int] | None = None) -> array:
    a = asarray(a)
    return _same(a, np.squeeze(a.value, axis if axis is None or isinstance(axis, int) else tuple(axis)))


@NAMES.operation
def broadcast_to(a: Any, /, shape: Sequence[int]) -> array:
    a = asarray(a)
    return _same(a, np.broadcast_to(a.value, shape_of(shape)))


@NAMES.operation
def broadcast_arrays(*arrays: Any) -> tuple[array, ...]:
    made = [asarray(a) for a in arrays]
    values = np.broadcast_arrays(*(a.value for a in made))
    return tuple(_same(a, value) for a, value in zip(made, values, strict=True))


@NAMES.plain
def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    return np.broadcast_shapes(*(tuple(shape) for shape in shapes))


def _joined(arrays: Sequence[Any]) -> tuple[list[np.ndarray], Dtype]:
    made = list(arrays)
    if not made:
        raise ValueError("[concatenate] No arrays provided")
    for a in made:
        if not isinstance(a, array):  # MLX takes NumPy's arrays and numbers beside an array, and in no list
            raise TypeError(f"concatenate(): expected a list of arrays of MLX, got one with a {type(a).__name__}")
    dtype = result_type(*(a.dtype for a in made))
    return [cast(a.value, a.dtype, dtype) for a in made], dtype


@NAMES.operation
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> array:
    values, dtype = _joined(arrays)
    return wrapped(np.concatenate(values, axis), dtype)


@NAMES.operation
def stack(arrays: Sequence[Any], axis: int | None = 0) -> array:
    values, dtype = _joined(arrays)
    if axis is None:
        return wrapped(np.concatenate([value.reshape(-1) for value in values]), dtype)
    if any(value.shape != values[0].shape for value in values):
        raise ValueError("[stack] All arrays must have the same shape")
    return wrapped(np.stack(values, axis), dtype)


@NAMES.operation
def unstack(x: Any, /, *, axis: int = 0) -> tuple[array, ...]:
    x = asarray(x)
    return tuple(_same(x, part) for part in np.moveaxis(x.value, axis, 0))


@NAMES.operation
def split(a: Any, /, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[array]:
    a = asarray(a)
    axis = _axis(axis, a.ndim, "split")
    if isinstance(indices_or_sections, int):
        if a.shape[axis] % indices_or_sections:
            raise ValueError(
                f"[split] Array split does not result in sub arrays with equal size: attempting "
                f"{indices_or_sections} splits along axis {axis} for shape {a.shape}"
            )
        return [_same(a, part) for part in np.split(a.value, indices_or_sections, axis)]
    return [_same(a, part) for part in np.split(a.value, [int(i) for i in indices_or_sections], axis)]


@NAMES.operation
def repeat(array: Any, repeats: int, axis: int | None = None) -> Any:
    a = asarray(array)
    return _same(a, np.repeat(a.value, repeats, axis))


@NAMES.operation
def tile(a: Any, reps: int | Sequence[int], /) -> array:
    a = asarray(a)
    return _same(a, np.tile(a.value, shape_of(reps)))


@NAMES.operation
def flip(a: Any, /, axis: int | Sequence[int] | None = None) -> array:
    a = asarray(a)
    return _same(a, np.flip(a.value, axis if axis is None or isinstance(axis, int) else tuple(axis)))


@NAMES.operation
def roll(a: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None, /) -> array:
    a = asarray(a)
    if not isinstance(shift, int):
        shift = tuple(shift) if axis is not None else sum(shift)
    if isinstance(axis, list):
        axis = tuple(axis)
    return _same(a, np.roll(a.value, shift, axis))


@NAMES.operation
def pad(a: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> array:
    """`pad_width` is one number, one pair, or a pair for each axis."""
    a = asarray(a)
    widths = np.broadcast_to(np.asarray(pad_width, np.int64), (a.ndim, 2)).tolist()
    if mode == "constant":
        fill = operands(a, constant_values)[1]
        out = np.full([n + low + high for n, (low, high) in zip(a.shape, widths, strict=True)], 0, a.value.dtype)
        out[...] = cast(fill.value, fill.dtype, a.dtype)
        out[tuple(slice(low, low + n) for n, (low, _) in zip(a.shape, widths, strict=True))] = a.value
        return _same(a, out)
    if mode not in ("edge", "reflect", "symmetric"):
        raise ValueError(f"[pad] got mode {mode!r}, expected constant, edge, reflect or symmetric")
    return _same(a, np.pad(a.value, widths, mode))  # type: ignore[call-overload]


@NAMES.operation
def as_strided(
    a: Any, /, shape: Sequence[int] | None = None, strides: Sequence[int] | None = None, offset: int = 0
) -> array:
    """A window on the elements in row-major order; `strides` and `offset` count elements."""
    a = asarray(a)
    flat = np.ascontiguousarray(a.value).reshape(-1)
    shape = a.shape if shape is None else shape_of(shape)
    if strides is None:
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
    first = offset + sum(min(one, 0) for one in reach)
    last = offset + sum(max(one, 0) for one in reach)
    if math.prod(shape) and not 0 <= first <= last < flat.size:
        raise InputError(
            f"as_strided of shape {shape}, strides {strides} and offset {offset} leaves {flat.size} values"
        )
    steps = [stride * flat.itemsize for stride in strides]
    return _same(a, np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False))


@NAMES.operation
def contiguous(a: Any, /, allow_col_major: bool = False) -> array:
    a = asarray(a)
    return _same(a, np.ascontiguousarray(a.value).reshape(a.shape))


@NAMES.operation
def diag(a: Any, /, k: int = 0) -> array:
    a = asarray(a)
    return _same(a, np.diag(a.value, k))


@NAMES.operation
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> array:
    a = asarray(a)
    return _same(a, np.diagonal(a.value, offset, axis1, axis2))


@NAMES.operation
def trace(a: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Dtype | None = None) -> array:
    a = asarray(a)
    kind = a.dtype if dtype is None else dtype
    return wrapped(np.trace(cast(a.value, a.dtype, kind), offset, axis1, axis2, dtype=kind.storage), kind)


@NAMES.operation
def tril(x: Any, k: int = 0) -> array:
    x = asarray(x)
    return _same(x, np.tril(x.value, k))


@NAMES.operation
def triu(x: Any, k: int = 0) -> array:
    x = asarray(x)
    return _same(x, np.triu(x.value, k))


@NAMES.operation
def meshgrid(*arrays: Any, sparse: bool = False, indexing: str = "xy") -> list[array]:
    made = [asarray(a) for a in arrays]
    values = np.meshgrid(*(a.value for a in made), sparse=sparse, indexing=indexing)  # type: ignore[call-overload]
    return [_same(a, value) for a, value in zip(made, values, strict=True)]


def _at_least(ndim: int, make: Any) -> Any:
    def function(*arrays: Any) -> Any:
        made = [_same(asarray(a), make(asarray(a).value)) for a in arrays]
        return made[0] if len(made) == 1 else made

    function.__name__ = f"atleast_{ndim}d"
    return NAMES.operation(function)


_at_least(1, np.atleast_1d)
_at_least(2, np.atleast_2d)
_at_least(3, np.atleast_3d)


@NAMES.operation
def diff(a: Any, /, n: int = 1, axis: int = -1) -> array:
    a = asarray(a)
    return _same(a, np.diff(a.value, n, axis))


@NAMES.operation
def depends(inputs: Any, dependencies: Any) -> Any:
    """The inputs: an order of evaluation has no meaning here."""
    return wrapped(inputs.value, inputs.dtype) if isinstance(inputs, array) else [_same(a, a.value) for a in inputs]


@NAMES.operation
def view(a: Any, dtype: Dtype) -> array:
    """The same numbers for the same dtype, integers as integers of the same size; bits of a float have no double."""
    from parity.exact.program import NoProgram

    a = asarray(a)
    if dtype is a.dtype or (a.dtype.is_floating and dtype.is_floating and a.dtype.size == dtype.size == 4):
        return _same(a, a.value)
    if a.dtype.is_inexact or dtype.is_inexact:
        raise NoProgram(
            f"view from {a.dtype.name} to {dtype.name}: the bits of a number have no definition in double; compute the "
            f"same by arithmetic where the run is in double, or compare this path on its own"
        )
    sized = np.ascontiguousarray(a.value).view(dtype.storage)
    return wrapped(sized, dtype)


NAMES["concat"], NAMES["permute_dims"] = NAMES["concatenate"], NAMES["transpose"]
__all__ = ["NAMES", "dtypes", "shape_of"]
