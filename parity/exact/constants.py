"""Constants that were stored in single or half precision: each stands for an interval of half an ulp around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity.base.errors import InputError
from parity.exact.program import Constant, Program, widened

SIGNIFICANT = {"float32": 24, "complex64": 24, "float16": 11, "bfloat16": 8}
"""Significant bits of the dtypes that are narrower than double."""

LARGEST = {"float16": 65504.0, "bfloat16": (2 - 2.0**-7) * 2.0**127}
"""A mask's, and meant: half an ulp more is infinite in half precision, in which a program goes on with them."""

HALF = ("bfloat16", "float16")
"""Half precision, the wider exponent first: most of its numbers are numbers of the other, too."""


def rounded(array: np.ndarray, dtype: str) -> str:
    """The dtype that the values of a constant were rounded to; empty where nothing was lost.

    Values that need at most half of the dtype's bits are taken as meant: 0, 1, 0.5, -inf, a mask. Of other numbers one
    in 4,096 has so many zeros at its end in float32.
    """
    if dtype not in SIGNIFICANT:
        return ""
    parts = np.stack([array.real, array.imag]) if array.dtype.kind == "c" else array
    fraction, _ = np.frexp(np.where(np.isfinite(parts), parts, 0.0))
    scaled = np.ldexp(fraction, SIGNIFICANT[dtype] // 2)
    return "" if np.array_equal(scaled, np.rint(scaled)) else dtype


def half_ulp(array: np.ndarray, dtype: str) -> np.ndarray:
    """How far the value that was meant can be from each value stored in `dtype`; 0 where nothing is rounded.

    Zeros, infinities, NaN and the largest number of half precision are what they say.
    """
    told = np.isfinite(array) & (array != 0) & (np.abs(array) != LARGEST.get(dtype, np.inf))
    if dtype not in SIGNIFICANT:
        return np.zeros(array.shape)
    _, exponent = np.frexp(np.where(told, np.abs(array), 1.0))
    return np.where(told, np.ldexp(0.5, exponent - SIGNIFICANT[dtype]), 0.0)


def stored(program: Program) -> Program:
    """The program with each parameter that float32 holds as a rounding to it, for a port may have folded or added it.

    A weight that both programs were loaded with alike is found again as it is.
    """
    constants = dict(program.constants)
    for number, constant in constants.items():
        single = constant.array.dtype.kind == "f" and np.array_equal(constant.array.astype(np.float32), constant.array)
        if constant.name and not constant.rounded and single:
            constants[number] = replace(constant, rounded=rounded(constant.array, "float32"))
    return replace(program, constants=constants)


def unresolved(program: Program) -> dict[int, Constant]:
    """The constants that are still rounded, by number."""
    return {number: constant for number, constant in program.constants.items() if constant.rounded}


def resolved(program: Program, values: Mapping[int, np.ndarray]) -> Program:
    """The program with rounded constants replaced by the values that were meant.

    A value must lie in the interval of its constant: raises `InputError` for one that does not, or of another shape.
    """
    constants = dict(program.constants)
    for number, value in values.items():
        if number not in constants:
            raise InputError(f"value {number} is no constant of {program.source or 'the program'}")
        constant, value = constants[number], widened(value)
        if value.shape != constant.array.shape:
            raise InputError(f"constant {number} has shape {constant.array.shape}, the value for it {value.shape}")
        beyond = ~(np.abs(value - constant.array) <= half_ulp(constant.array, constant.rounded)) & (
            value != constant.array
        )
        if beyond.any():
            at = tuple(int(index) for index in np.argwhere(beyond)[0])
            raise InputError(
                f"constant {number} is {constant.array[at]!r} at {at}, stored in {constant.rounded or 'double'}: "
                f"{value[at]!r} is more than half an ulp away, so it was not what was meant"
            )
        constants[number] = replace(constant, array=value, rounded="")
    return replace(program, constants=constants)
