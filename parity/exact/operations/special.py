"""Elementwise functions whose definition in MLX is not NumPy's, or that overflow on the way if written plainly."""

from __future__ import annotations

import numpy as np
import scipy.special


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, 2 / √π · ∫₀ˣ exp(-t²) dt."""
    return np.asarray(scipy.special.erf(x))


def erfinv(x: np.ndarray) -> np.ndarray:
    """The inverse of `erf`: ±∞ at ±1, NaN beyond."""
    return np.asarray(scipy.special.erfinv(x))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow for large |x|."""
    return np.asarray(scipy.special.expit(x))


def rsqrt(x: np.ndarray) -> np.ndarray:
    """1 / √x: ∞ at 0, -∞ at -0, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 / np.sqrt(x))


def logaddexp(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log(exp(a) + exp(b)) without overflow. Of complex values the one with the larger real part is taken out."""
    a, b = np.asarray(a), np.asarray(b)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        if a.dtype.kind != "c" and b.dtype.kind != "c":
            # NumPy's own takes the values one by one: three times as long. Of two equal infinities nothing is apart.
            apart = np.fmax(np.abs(np.subtract(a, b)), 0)
            return np.asarray(np.maximum(a, b) + np.log1p(np.exp(-apart)))
        larger, smaller = maximum(a, b), minimum(a, b)
        settled = (smaller == -np.inf) | (larger == np.inf)
        return np.where(settled, larger, larger + log1p(np.exp(smaller - larger)))


def log1p(x: np.ndarray) -> np.ndarray:
    """log(1 + x), also near 0; -∞ at -1, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log1p(x))


def expm1(x: np.ndarray) -> np.ndarray:
    """exp(x) - 1, also near 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.expm1(x))


def sign(x: np.ndarray) -> np.ndarray:
    """-1, 0 or 1; 0 for NaN. The sign of a complex value is x / |x|, and 0 for 0."""
    x = np.asarray(x)
    if x.dtype.kind == "c":
        size = np.abs(x)
        return np.where(size == 0, x, x / np.where(size == 0, 1, size))
    return np.where(np.isnan(x), 0, np.sign(x)) if x.dtype.kind == "f" else np.asarray(np.sign(x))


def maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The larger of two values, NaN if either is. Complex values compare by real, then by imaginary part."""
    return np.asarray(np.maximum(a, b))


def minimum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smaller of two values, NaN if either is. Complex values compare by real, then by imaginary part."""
    return np.asarray(np.minimum(a, b))


def remainder(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b · floor(a / b), with the sign of b; a result of 0 has the sign of a. NaN by 0, an integer by 0 gives 0."""
    a, b = np.broadcast_arrays(a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        if np.result_type(a, b).kind != "f":
            return np.asarray(np.remainder(a, b))
        rest = np.fmod(a, b)
        return np.asarray(np.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest))


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b. Of two integers the quotient rounded to zero, as C++ has it: an MLX before 0.32.4 divides them so."""
    if np.result_type(a, b).kind not in "iu":
        return np.asarray(np.true_divide(a, b))
    quotient = np.abs(a) // np.abs(b)
    return np.asarray(np.where((a < 0) == (b < 0), quotient, -quotient))


def floor_divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """floor(a / b). An integer divided by 0 gives 0; a float gives ±∞ or NaN."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if np.result_type(a, b).kind == "f":
            # Of the rounded quotient, as MLX defines: NumPy's own differs at ±∞ and where a / b rounds to an integer.
            return np.asarray(np.floor(np.true_divide(a, b)))
        return np.asarray(np.floor_divide(a, b))


def divmod(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`floor_divide` and `remainder`."""
    return floor_divide(a, b), remainder(a, b)


def power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a ** b. Integers wrap around; an integer to a negative power is 0, whatever the base."""
    a, b = np.asarray(a), np.asarray(b)
    kind = np.result_type(a, b)
    with np.errstate(all="ignore"):
        if kind.kind == "u" or kind.kind == "b":
            return np.asarray(np.power(a, b))
        if kind.kind == "i":
            return np.where(b < 0, np.zeros((), kind), np.power(a, np.maximum(b, np.zeros((), b.dtype)))).astype(kind)
        return np.asarray(np.power(a, b))


def round_half_even(x: np.ndarray, decimals: int = 0) -> np.ndarray:
    """To `decimals` places (tens and hundreds where negative), ties to even; integers stay integers."""
    x = np.asarray(x)
    if decimals == 0:
        return x if x.dtype.kind in "iub" else np.rint(x)
    scaled = np.rint(x * 10.0**decimals) * 10.0**-decimals
    return scaled.astype(x.dtype) if x.dtype.kind in "iub" else scaled
