"""Functions of each element: arithmetic, comparisons, logic, and those of one argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.exact.operations import special
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, cast, operands, scalar, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import PROMOTED, Dtype

NAMES = Names()
Compute = Callable[..., Any]


def inexact(dtype: Dtype) -> Dtype:
    """A floating-point or complex dtype as it is, others as float32."""
    return dtype if dtype.is_inexact else dtypes.float32


def real_of(dtype: Dtype) -> Dtype:
    """The dtype of a size: float32 of complex numbers and integers."""
    return dtype if dtype.is_floating else dtypes.float32


def doubled(a: array) -> np.ndarray:
    """The value of an array with integers as doubles."""
    return a.value if a.dtype.is_inexact else a.value.astype(np.float64)


def _named(name: str, function: Compute) -> None:
    function.__name__ = function.__qualname__ = name
    NAMES.operation(function)


def _of_floats(name: str, compute: Compute, real: bool = False) -> None:
    """One argument; integers are taken as floats. `real`: it is not defined for complex numbers."""

    def function(a: Any, /) -> array:
        a = asarray(a)
        if real and a.dtype is dtypes.complex64:
            raise ValueError(f"[{name}] got an array of complex64, expected real numbers")
        return wrapped(compute(doubled(a)), inexact(a.dtype))

    _named(name, function)


def _of_same(name: str, compute: Compute) -> None:
    """One argument, and the result has its dtype."""

    def function(a: Any, /) -> array:
        a = asarray(a)
        return wrapped(compute(a.value), a.dtype)

    _named(name, function)


def _of_truth(name: str, compute: Compute) -> None:
    def function(a: Any, /) -> array:
        return wrapped(compute(asarray(a).value), dtypes.bool_)

    _named(name, function)


def _of_two(name: str, compute: Compute, only: str = "", to: Callable[[Dtype], Dtype] | None = None) -> None:
    """Two arguments of a common dtype; `to` is the dtype in which they meet, where that is another.

    `only` are the kinds of NumPy's dtypes that are taken, where not all are.
    """

    def function(a: Any, b: Any) -> array:
        if type(b) is float and type(a) is array and a.dtype is dtypes.float32:  # the most common, without more ado
            return wrapped(compute(a.value, b), dtypes.float32)
        a, b = operands(a, b)
        dtype = PROMOTED[a.dtype, b.dtype]
        if only and dtype.storage.kind not in only:
            raise ValueError(f"[{name}] got arrays of {a.dtype} and {b.dtype}, which the operation is not defined for")
        if to is not None:
            dtype = to(dtype)
        if a.dtype.storage is not dtype.storage:
            a = wrapped(cast(a.value, a.dtype, dtype), dtype)
        if b.dtype.storage is not dtype.storage:
            b = wrapped(cast(b.value, b.dtype, dtype), dtype)
        return wrapped(compute(a.value, b.value), dtype)

    _named(name, function)


def _compared(name: str, compute: Compute) -> None:
    def function(a: Any, b: Any) -> array:
        a, b = operands(a, b)
        return wrapped(compute(a.value, b.value), dtypes.bool_)

    _named(name, function)


def _subtract(a: np.ndarray, b: np.ndarray) -> Any:
    return np.logical_xor(a, b) if a.dtype.kind == "b" else np.subtract(a, b)


_FLOATS: dict[str, Compute] = {
    "exp": np.exp,
    "expm1": special.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": special.log1p,
    "sqrt": np.sqrt,
    "rsqrt": special.rsqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "sigmoid": special.sigmoid,
    "erf": special.erf,
    "erfinv": special.erfinv,
    "reciprocal": lambda a: 1 / a,
    "degrees": lambda a: a * (180 / np.pi),
    "radians": lambda a: a * (np.pi / 180),
}
for _name, _compute in _FLOATS.items():
    _of_floats(_name, _compute, real=_name in ("erf", "erfinv", "expm1"))

_SAME: dict[str, Compute] = {
    "square": np.square,
    "sign": lambda a: a if a.dtype.kind == "b" else special.sign(a),
    "floor": lambda a: np.floor(a) if a.dtype.kind in "fc" else a,
    "ceil": lambda a: np.ceil(a) if a.dtype.kind in "fc" else a,
    "trunc": lambda a: np.trunc(a) if a.dtype.kind in "fc" else a,
    "positive": lambda a: a,
    "stop_gradient": lambda a: a,
    "conjugate": np.conjugate,
}
for _name, _compute in _SAME.items():
    _of_same(_name, _compute)

_TRUTHS: dict[str, Compute] = {
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "isposinf": lambda a: a == np.inf,
    "isneginf": lambda a: a == -np.inf,
    "logical_not": np.logical_not,
}
for _name, _compute in _TRUTHS.items():
    _of_truth(_name, _compute)

_TWO: dict[str, Compute] = {
    "add": np.add,
    "subtract": _subtract,
    "multiply": np.multiply,
    "maximum": special.maximum,
    "minimum": special.minimum,
    "power": special.power,
    "remainder": special.remainder,
    "floor_divide": lambda a, b: np.divide(a, b) if a.dtype.kind == "c" else special.floor_divide(a, b),
}
for _name, _compute in _TWO.items():
    _of_two(_name, _compute)

_of_two("divide", np.true_divide, to=inexact)
_of_two("logaddexp", special.logaddexp, to=inexact)
_of_two("arctan2", np.arctan2, to=inexact)

for _name, _compute in {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}.items():
    _of_two(_name, _compute, only="iub")

for _name, _compute in {"left_shift": np.left_shift, "right_shift": np.right_shift}.items():
    _of_two(_name, _compute, only="iub", to=lambda dtype: dtypes.uint8 if dtype is dtypes.bool_ else dtype)

for _name, _compute in {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}.items():
    _compared(_name, _compute)


def _of_truths(name: str, compute: Compute) -> None:
    """Two arguments, each by itself: a scalar does not give way to an array."""

    def function(a: Any, b: Any, /) -> array:
        return wrapped(compute(asarray(a).value, asarray(b).value), dtypes.bool_)

    _named(name, function)


_of_truths("logical_and", np.logical_and)
_of_truths("logical_or", np.logical_or)
_of_truths("logical_xor", np.logical_xor)


@NAMES.operation
def negative(a: Any, /) -> array:
    a = asarray(a)
    if a.dtype is dtypes.bool_:
        raise ValueError("[negative] Not supported for bool, use logical_not instead.")
    return wrapped(np.negative(a.value), a.dtype)


@NAMES.operation
def abs_(a: Any, /) -> array:
    """|a|; of complex numbers a float32."""
    a = asarray(a)
    return wrapped(np.abs(a.value), dtypes.float32 if a.dtype is dtypes.complex64 else a.dtype)


@NAMES.operation
def round_(a: Any, /, decimals: int = 0) -> array:
    a = asarray(a)
    return wrapped(special.round_half_even(a.value, decimals), a.dtype)


@NAMES.operation
def bitwise_invert(a: Any, /) -> array:
    a = asarray(a)
    if a.dtype.is_inexact:
        raise ValueError(f"[bitwise_invert] got an array of {a.dtype}, expected integers or truth values")
    return wrapped(np.invert(a.value), a.dtype)


@NAMES.operation
def real(a: Any, /) -> array:
    a = asarray(a)
    return wrapped(a.value.real, dtypes.float32) if a.dtype is dtypes.complex64 else wrapped(a.value, a.dtype)


@NAMES.operation
def imag(a: Any, /) -> array:
    a = asarray(a)
    if a.dtype is dtypes.complex64:
        return wrapped(a.value.imag, dtypes.float32)
    return wrapped(np.zeros_like(a.value), a.dtype)


@NAMES.operation
def divmod_(a: Any, b: Any) -> list[array]:
    """`[a // b, a % b]`."""
    return [NAMES["floor_divide"](a, b), NAMES["remainder"](a, b)]


@NAMES.operation
def where(condition: Any, x: Any, y: Any, /) -> array:
    condition = asarray(condition).value
    x, y = operands(x, y)
    dtype = PROMOTED[x.dtype, y.dtype]
    chosen = np.where(condition if condition.dtype.kind == "b" else condition != 0, *_met(x, y, dtype))
    return wrapped(chosen, dtype)


def _met(x: array, y: array, dtype: Dtype) -> tuple[np.ndarray, np.ndarray]:
    return cast(x.value, x.dtype, dtype), cast(y.value, y.dtype, dtype)


@NAMES.operation
def clip(a: Any, /, a_min: Any, a_max: Any) -> array:
    if a_min is None and a_max is None:
        raise ValueError("At most one of a_min and a_max may be None")
    found: array = asarray(a)
    if a_min is not None:
        found = NAMES["maximum"](found, a_min)
    if a_max is not None:
        found = NAMES["minimum"](found, a_max)
    return found


@NAMES.operation
def nan_to_num(a: Any, nan: float = 0, posinf: float | None = None, neginf: float | None = None) -> array:
    """NaN and infinities as numbers: infinities as the largest ones of the reported dtype where nothing is given."""
    a = asarray(a)
    if not a.dtype.is_floating:
        return wrapped(a.value, a.dtype)
    limits = dtypes.finfo(a.dtype)
    largest = limits.max if posinf is None else posinf
    smallest = limits.min if neginf is None else neginf
    return wrapped(np.nan_to_num(a.value, nan=nan, posinf=largest, neginf=smallest), a.dtype)


@NAMES.operation
def isclose(a: Any, b: Any, /, rtol: float = 1e-05, atol: float = 1e-08, *, equal_nan: bool = False) -> array:
    a, b = operands(a, b)
    return wrapped(np.isclose(a.value, b.value, rtol, atol, equal_nan), dtypes.bool_)


@NAMES.operation
def allclose(a: Any, b: Any, /, rtol: float = 1e-05, atol: float = 1e-08, *, equal_nan: bool = False) -> array:
    a, b = operands(a, b)
    return wrapped(np.isclose(a.value, b.value, rtol, atol, equal_nan).all(), dtypes.bool_)


@NAMES.operation
def array_equal(a: Any, b: Any, equal_nan: bool = False) -> array:
    a, b = operands(a, b)
    equal_nan = equal_nan and a.dtype.is_inexact and b.dtype.is_inexact
    return wrapped(np.asarray(np.array_equal(a.value, b.value, equal_nan)), dtypes.bool_)


@NAMES.operation
def astype(a: Any, dtype: Dtype, /) -> array:
    a = asarray(a)
    return wrapped(cast(a.value, a.dtype, dtype), dtype)


for _alias, _name in {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
    "conj": "conjugate",
    "pow": "power",
}.items():
    NAMES[_alias] = NAMES[_name]

__all__ = ["NAMES", "doubled", "inexact", "scalar"]
