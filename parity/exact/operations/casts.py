"""Casts between reported dtypes, where values are double."""

from __future__ import annotations

import numpy as np

from parity.base.errors import InputError

_SIGNIFICANT = {"float16": 11, "bfloat16": 8, "float32": 24}
_LEAST = {"float16": -14, "bfloat16": -126, "float32": -126}
_NARROW = ("float16", "bfloat16")
_DOUBLE = {
    "float16": np.float64,
    "bfloat16": np.float64,
    "float32": np.float64,
    "float64": np.float64,
    "complex64": np.complex128,
    "bool": np.bool_,
    "bool_": np.bool_,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
}


def storage(dtype_name: str) -> np.dtype:
    """The NumPy dtype that holds values of a reported dtype: float64 for every real floating-point one.

    Raises `InputError` for a name that is no dtype of MLX.
    """
    if dtype_name not in _DOUBLE:
        raise InputError(f"{dtype_name!r} is no dtype of MLX; expected one of {', '.join(_DOUBLE)}")
    return np.dtype(_DOUBLE[dtype_name])


def rounded(array: np.ndarray, dtype_name: str) -> np.ndarray:
    """The nearest values that 'float16', 'bfloat16' or 'float32' has, ties to even, as float64.

    Values beyond the largest finite one become infinite, subnormal ones are kept. Complex values are rounded part by
    part.
    """
    if dtype_name not in _SIGNIFICANT:
        raise InputError(f"values are rounded to float16, bfloat16 or float32, got {dtype_name!r}")
    array = np.asarray(array)
    if array.dtype.kind == "c":
        parts = np.array(array, np.complex128)[..., None].view(np.float64)
        return np.asarray(rounded(parts, dtype_name).view(np.complex128)[..., 0])
    array = array.astype(np.float64, copy=False)
    with np.errstate(over="ignore"):
        if dtype_name == "float16":
            return array.astype(np.float16).astype(np.float64)
        single = array.astype(np.float32)
    if dtype_name == "float32":
        return single.astype(np.float64)
    # By bfloat16's own spacing, not through float32: two roundings in a row can differ from one.
    significant, least = _SIGNIFICANT[dtype_name], _LEAST[dtype_name]
    _, exponent = np.frexp(array)
    spacing = np.ldexp(1.0, np.maximum(exponent - 1, least) - significant + 1)
    nearest = np.where(np.isfinite(array), np.rint(array / spacing) * spacing, array)
    return np.where(np.abs(nearest) >= 2.0**128, np.copysign(np.inf, nearest), nearest)


def cast(array: np.ndarray, have: str, want: str) -> np.ndarray:
    """What `array.astype(want)` gives where the array's reported dtype is `have`.

    Only a cast to float16 or bfloat16 rounds; float32 is the dtype that double stands for. A real dtype takes the real
    part of a complex value. An integer takes a float truncated towards zero; beyond its range the value is what
    the processor gives, as in MLX on a CPU and in NumPy. An integer outside a narrower integer's range wraps around.
    """
    array = np.asarray(array)
    kind = storage(want)
    if have == want and array.dtype == kind:
        return array
    if array.dtype.kind == "c" and kind.kind not in "cb":
        array = array.real
    with np.errstate(invalid="ignore"):
        array = array.astype(kind, copy=False)
    return rounded(array, want) if want in _NARROW and have != want else array
