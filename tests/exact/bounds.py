"""How far a result in single precision may be from the same mathematics in double.

    |MLX - double| <= 4 ulp of the result
                      + the change of the result when each input moves by one ulp
                      + 2^-24 · terms · Σ|terms|, for a sum

The second part is of first order: each number of each floating-point input is moved on its own, and the sizes of the
changes are added. Integers, booleans and indices have no bound: they are equal. Where a kernel is less exact than that,
its test states how many ulp it takes, measured, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

SIGNIFICANT = {"float32": 24, "float16": 11, "bfloat16": 8}
LEAST = {"float32": -126, "float16": -14, "bfloat16": -126}

Definition = Callable[..., np.ndarray]


def ulp(values: np.ndarray, dtype: str = "float32") -> np.ndarray:
    """The distance between neighbours of a dtype around values: at 0, and below, the smallest subnormal number."""
    size = np.where(np.isfinite(values), np.abs(values), 0.0)
    _, exponent = np.frexp(size)
    return np.ldexp(
        1.0, np.maximum(np.where(size == 0, LEAST[dtype], exponent - 1), LEAST[dtype]) - SIGNIFICANT[dtype] + 1
    )


def sensitivity(
    definition: Definition, inputs: Sequence[np.ndarray], dtype: str = "float32", apart: bool = False
) -> np.ndarray:
    """Of each number of the result, the sum of its changes when each number of the inputs moves by one ulp.

    `apart` says that a number of the result depends on one number of each input alone: then all of one input move
    at once. Inputs that are integers or booleans do not move.
    """
    plain = np.asarray(definition(*inputs))
    total = np.zeros(plain.shape)
    for place, array in enumerate(inputs):
        if array.dtype.kind not in "fc":
            continue
        parts = (1.0, 1j) if array.dtype.kind == "c" else (1.0,)
        for part in parts:
            step = ulp(array.real if part == 1.0 else array.imag, dtype) * part
            for chosen in [np.ones(array.shape, bool)] if apart else _one_by_one(array.shape):
                moved = [
                    definition(*_with(inputs, place, array + sign * np.where(chosen, step, 0))) for sign in (1, -1)
                ]
                total = total + _larger(*(np.abs(each - plain) for each in moved))
    return total


def within(
    actual: np.ndarray,
    definition: Definition,
    inputs: Sequence[np.ndarray],
    *,
    dtype: str = "float32",
    ulps: float = 4.0,
    terms: float | np.ndarray = 0.0,
    total: float | np.ndarray = 0.0,
    apart: bool = False,
    flushed: bool = False,
) -> float:
    """Assert that `actual` is within the bound of `definition(*inputs)` in double; return the largest share of it.

    `dtype` is the one that `actual` was computed in, `terms` and `total` are the number of terms of a sum and Σ|terms|,
    `ulps` stands in for 4. A number beyond the dtype's range must be infinite, NaN must be NaN. `flushed`: the kernel
    gives 0 for results below the smallest normal number.
    """
    with np.errstate(all="ignore"):
        expected = np.asarray(definition(*[_double(each) for each in inputs]))
    actual = np.asarray(actual)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(actual, expected)
        return 0.0
    with np.errstate(all="ignore"):
        moves = sensitivity(definition, [_double(each) for each in inputs], dtype, apart)
        allowed = ulps * _ulp_of(expected, dtype) + moves + 2.0 ** -SIGNIFICANT[dtype] * terms * total
    if expected.dtype.kind == "c":
        shares = [_share(part(actual), part(expected), allowed, dtype, flushed) for part in (np.real, np.imag)]
        return max(shares)
    return _share(actual, expected, allowed, dtype, flushed)


def _share(actual: np.ndarray, expected: np.ndarray, allowed: np.ndarray, dtype: str, flushed: bool) -> float:
    actual = actual.astype(np.float64)
    largest = (2.0 - 2.0 ** (1 - SIGNIFICANT[dtype])) * 2.0 ** (15 if dtype == "float16" else 127)
    with np.errstate(all="ignore"):
        error = np.abs(actual - expected)
        over = np.isinf(actual) & (np.sign(actual) == np.sign(expected)) & (np.abs(expected) + allowed >= largest)
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected)) | over
        if flushed:
            same |= (actual == 0) & (np.abs(expected) < 2.0 ** LEAST[dtype])
        share = np.where(same, 0.0, np.where(np.isfinite(error), error / allowed, np.inf))
    if share.size == 0:
        return 0.0
    worst = np.unravel_index(np.argmax(share), share.shape)
    assert share[worst] <= 1.0, (
        f"{actual[worst]!r} at {tuple(int(each) for each in worst)} is {error[worst]:.3g} from {expected[worst]!r} in "
        f"double, {share[worst]:.3g} times the bound of {np.broadcast_to(allowed, share.shape)[worst]:.3g}"
    )
    return float(share[worst])


def _ulp_of(values: np.ndarray, dtype: str) -> np.ndarray:
    return ulp(np.abs(values), dtype)


def _double(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _larger(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The larger of two changes, of the finite ones: beyond a pole, or out of the domain, a move says nothing."""
    return np.fmax(np.where(np.isfinite(one), one, 0.0), np.where(np.isfinite(other), other, 0.0))


def _one_by_one(shape: tuple[int, ...]) -> list[np.ndarray]:
    return list(np.eye(int(np.prod(shape)), dtype=bool).reshape(-1, *shape))


def _with(inputs: Sequence[np.ndarray], place: int, array: np.ndarray) -> list[np.ndarray]:
    return [array if position == place else each for position, each in enumerate(inputs)]
