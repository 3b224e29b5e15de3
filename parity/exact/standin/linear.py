"""Products of arrays and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.exact.operations.convolution import convolve, transposed
from parity.exact.operations.matrices import product
from parity.exact.standin.array import array, asarray, operands, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import PROMOTED, Dtype, result_type
from parity.exact.standin.elementwise import doubled, inexact

NAMES = Names()


def _floats(name: str, *arrays: array) -> Dtype:
    dtype = result_type(*(a.dtype for a in arrays))
    if not dtype.is_inexact:
        raise ValueError(
            f"[{name}] Only inexact types are supported but {' and '.join(a.dtype.name for a in arrays)} "
            f"were provided which results in {dtype.name}, which is not a floating point type."
        )
    return dtype


@NAMES.operation
def matmul(a: Any, b: Any, /) -> array:
    a, b = asarray(a), asarray(b)
    dtype = _floats("matmul", a, b)
    if not a.ndim or not b.ndim:
        raise ValueError("[matmul] Got 0 dimension input. Inputs must have at least one dimension.")
    return wrapped(product(doubled(a), doubled(b)), dtype)


@NAMES.operation
def addmm(c: Any, a: Any, b: Any, /, alpha: float = 1.0, beta: float = 1.0) -> array:
    c, a, b = asarray(c), asarray(a), asarray(b)
    dtype = _floats("addmm", a, b, c)
    made = product(doubled(a), doubled(b))
    made = made if alpha == 1 else alpha * made
    return wrapped(made + (doubled(c) if beta == 1 else beta * doubled(c)), dtype)


@NAMES.operation
def inner(a: Any, b: Any, /) -> array:
    a, b = operands(a, b)
    return wrapped(np.inner(doubled(a), doubled(b)), _floats("inner", a, b))


@NAMES.operation
def outer(a: Any, b: Any, /) -> array:
    a, b = operands(a, b)
    return wrapped(np.outer(a.value, b.value), PROMOTED[a.dtype, b.dtype])


@NAMES.operation
def vecdot(a: Any, b: Any, /, *, axis: int = -1) -> array:
    a, b = operands(a, b)
    return wrapped(np.sum(np.conjugate(a.value) * b.value, axis=axis), PROMOTED[a.dtype, b.dtype])


@NAMES.operation
def kron(a: Any, b: Any) -> array:
    a, b = operands(a, b)
    return wrapped(np.kron(a.value, b.value), PROMOTED[a.dtype, b.dtype])


@NAMES.operation
def tensordot(a: Any, b: Any, /, axes: Any = 2) -> array:
    a, b = asarray(a), asarray(b)
    return wrapped(np.tensordot(doubled(a), doubled(b), axes), _floats("tensordot", a, b))


@NAMES.operation
def einsum(subscripts: str, *operands: Any) -> array:
    arrays = [asarray(operand) for operand in operands]
    dtype = result_type(*(a.dtype for a in arrays))
    return wrapped(np.einsum(subscripts, *(a.value for a in arrays), optimize=len(arrays) > 1), dtype)


@NAMES.plain
def einsum_path(subscripts: str, *operands: Any) -> Any:
    path, said = np.einsum_path(subscripts, *(asarray(operand).value for operand in operands))
    return path[1:], said


@NAMES.operation
def conv_general(
    input: Any,
    weight: Any,
    /,
    stride: Any = 1,
    padding: Any = 0,
    kernel_dilation: Any = 1,
    input_dilation: Any = 1,
    groups: int = 1,
    flip: bool = False,
) -> array:
    """Channels last. `padding` is a number, one for each axis, or a pair of such: before and after."""
    x, weight = asarray(input), asarray(weight)
    dtype = _floats("conv", x, weight)
    low, high = padding, padding
    if isinstance(padding, tuple | list) and padding and isinstance(padding[0], tuple | list):
        low, high = padding
    value = convolve(
        doubled(x), doubled(weight), stride, low, high, kernel_dilation, input_dilation, groups=groups, flip=flip
    )
    return wrapped(value, dtype)


def _convolution(axes: int) -> None:
    def function(
        input: Any, weight: Any, /, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> Any:
        _check(f"conv{axes}d", axes, input, weight)
        return NAMES["conv_general"](input, weight, stride, padding, dilation, 1, groups)

    function.__name__ = f"conv{axes}d"
    NAMES.operation(function)


def _transposed(axes: int) -> None:
    def function(
        input: Any,
        weight: Any,
        /,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        output_padding: Any = 0,
        groups: int = 1,
    ) -> Any:
        """The adjoint of a convolution: inputs are set `stride` apart."""
        x, kernel = _check(f"conv_transpose{axes}d", axes, input, weight)
        dtype = _floats("conv", x, kernel)
        value = transposed(doubled(x), doubled(kernel), stride, padding, dilation, output_padding, groups)
        return wrapped(value, dtype)

    function.__name__ = f"conv_transpose{axes}d"
    NAMES.operation(function)


def _check(name: str, axes: int, x: Any, weight: Any) -> tuple[array, array]:
    x, weight = asarray(x), asarray(weight)
    if x.ndim != axes + 2 or weight.ndim != axes + 2:
        raise ValueError(f"[{name}] got shapes {x.shape} and {weight.shape}, expected {axes + 2} axes, channels last")
    return x, weight


for _axes in (1, 2, 3):
    _convolution(_axes)
    _transposed(_axes)


@NAMES.operation
def convolve_(a: Any, v: Any, /, mode: str = "full") -> array:
    a, v = operands(a, v)
    return wrapped(np.convolve(doubled(a), doubled(v), mode), inexact(PROMOTED[a.dtype, v.dtype]))  # type: ignore[call-overload]
