"""Primitives that work on each element by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.exact.operations import casts, special
from parity.exact.primitives.registry import Output, primitive

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "ArcCos": np.arccos,
    "ArcCosh": np.arccosh,
    "ArcSin": np.arcsin,
    "ArcSinh": np.arcsinh,
    "ArcTan": np.arctan,
    "ArcTanh": np.arctanh,
    "Ceil": np.ceil,
    "Conjugate": np.conjugate,
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Erf": special.erf,
    "ErfInv": special.erfinv,
    "Exp": np.exp,
    "Expm1": special.expm1,
    "Floor": np.floor,
    "Imag": np.imag,
    "Log1p": special.log1p,
    "LogicalNot": np.logical_not,
    "Negative": np.negative,
    "Real": np.real,
    "Round": special.round_half_even,
    "Sigmoid": special.sigmoid,
    "Sign": special.sign,
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Square": np.square,
    "Tan": np.tan,
    "Tanh": np.tanh,
    "Add": np.add,
    "ArcTan2": np.arctan2,
    "BitwiseInvert": np.invert,
    "Divide": special.divide,
    "DivMod": special.divmod,
    "FloorDivide": special.floor_divide,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "LogAddExp": special.logaddexp,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "Maximum": special.maximum,
    "Minimum": special.minimum,
    "Multiply": np.multiply,
    "NotEqual": np.not_equal,
    "Power": special.power,
    "Remainder": special.remainder,
    "Select": np.where,
    "Subtract": np.subtract,
}
for _name, _function in _FUNCTIONS.items():
    primitive(_name)(_function)


@primitive("Equal", "equal_nan")
def equal(a: np.ndarray, b: np.ndarray, *, equal_nan: bool) -> np.ndarray:
    same = np.equal(a, b)
    return np.asarray(same | (np.isnan(a) & np.isnan(b)) if equal_nan else same)


@primitive("Sqrt", "reciprocal")
def sqrt(x: np.ndarray, *, reciprocal: bool) -> np.ndarray:
    return special.rsqrt(x) if reciprocal else np.asarray(np.sqrt(x))


@primitive("Log", "base", choices={"base": ("2", "10", "e")})
def log(x: np.ndarray, *, base: str) -> np.ndarray:
    return np.asarray({"2": np.log2, "10": np.log10, "e": np.log}[base](x))


_BITWISE: dict[str, Any] = {
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "left_shift": np.left_shift,
    "right_shift": np.right_shift,
}


@primitive("BitwiseBinary", "operation", choices={"operation": tuple(_BITWISE)})
def bitwise(a: np.ndarray, b: np.ndarray, *, operation: str) -> np.ndarray:
    return np.asarray(_BITWISE[operation](a, b))


@primitive("AsType", "dtype")
def astype(x: np.ndarray, *, dtype: Any, inputs: tuple[Output, ...]) -> np.ndarray:
    """A cast to float16 or bfloat16 rounds; one to float32 or float64 leaves a double as it is."""
    return casts.cast(x, inputs[0].dtype, dtype)
