"""The noise floor: by how much rounding alone sets a run apart from the exact result. No other place computes one.

A floor is an error that was measured, and never less than one rounding of every value: a run that happens to be exact
says nothing of how another one rounds.
"""

from __future__ import annotations

import numpy as np

from parity.base.metrics import rms, rmse

MANTISSA = {"float32": 23, "float16": 10, "bfloat16": 7}  # bits
SMALLEST = {"float32": -149, "float16": -24, "bfloat16": -133}  # exponents of the smallest numbers
TINY = float(np.finfo(np.float32).tiny)

SAMPLE = 8
"""Values of a slice for which its own noise and the tap's weigh the same."""


def half_ulp_rms(dtype: str) -> float:
    """RMS relative error of one rounding to a dtype: uniform within half a unit in the last place."""
    return float(2.0 ** -(MANTISSA[dtype] + 1) / 3.0**0.5)


def at_least(error: float, scale: float, dtype: str = "float32") -> float:
    """The floor of values whose RMS is `scale` where a run was off by the RMSE `error`. A floor is never 0."""
    return max(error, scale * half_ulp_rms(dtype), TINY)


def with_storage(floor: float, scale: float, dtype: str) -> float:
    """The floor of values whose RMS is `scale`, and which are stored in a dtype after they were computed.

    Both errors are independent of each other, so their squares add up.
    """
    stored = max(scale * half_ulp_rms(dtype), 2.0 ** (SMALLEST[dtype] - 1) / 3.0**0.5)
    return float(np.hypot(floor, stored)) if dtype != "float32" else floor


def noise_floor(run: np.ndarray, exact: np.ndarray, dtype: str = "float32") -> float:
    """The floor of a run in `dtype` whose exact result is known; NaN where that is not of finite real numbers."""
    if exact.dtype.kind != "f" or not np.isfinite(exact).all():
        return float("nan")
    return at_least(rmse(run, exact), rms(exact), dtype)


def of_slices(noise: np.ndarray, scale: np.ndarray, values: np.ndarray, floor: float, dtype: str) -> np.ndarray:
    """The floors of slices of a tap whose floor is known; of each the mean squared noise and value, and its size.

    The noise of few values is a small sample, so the tap's counts as `SAMPLE` values more. A slice's floor is no less
    than the tap's, and no less than one rounding of each of its values.
    """
    own = (values * noise + SAMPLE * floor**2) / (values + SAMPLE)
    return np.asarray(np.sqrt(np.maximum(np.maximum(own, floor**2), scale * half_ulp_rms(dtype) ** 2)))
