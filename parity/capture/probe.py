"""Precision probe: is float32 really float32? TF32 and bfloat16 paths look like a wrong port in every tap at once."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from parity.base.draws import normal
from parity.base.errors import PrecisionError
from parity.base.metrics import rms, rmse

LIMIT = 5e-6
"""Relative RMSE against float64. float32 gives 1e-7 to 1e-6 here, TF32 3e-4, bfloat16 3e-3."""


def _softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _conv1d(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[1], axis=1)  # (B, T', in, k)
    return np.asarray(np.einsum("btik,oki->bto", windows, w))


def precision(adapter: ModuleType) -> dict[str, float]:
    """Relative RMSE of a framework's matmul, conv1d and attention against float64 NumPy, by name."""
    a, b = normal("probe", "a", (384, 512)), normal("probe", "b", (512, 256))
    x, w = normal("probe", "x", (2, 96, 64)), normal("probe", "w", (48, 5, 64))
    q, k, v = (normal("probe", name, (1, 4, 96, 64)) for name in ("q", "k", "v"))
    wide = [array.astype(np.float64) for array in (a, b, x, w, q, k, v)]
    exact = {
        "matmul": wide[0] @ wide[1],
        "conv1d": _conv1d(wide[2], wide[3]),
        "attention": _softmax(wide[4] @ wide[5].swapaxes(2, 3) / 8) @ wide[6],
    }
    inputs = {"matmul": (a, b), "conv1d": (x, w), "attention": (q, k, v)}
    operations = adapter.probe()
    return {name: rmse(operations[name](*inputs[name]), exact[name]) / rms(exact[name]) for name in exact}


def require_float32(adapter: ModuleType) -> dict[str, float]:
    """The probe's figures. Raises `InputError` when an operation is less precise than float32: no verdict is given."""
    errors = precision(adapter)
    if bad := {name: error for name, error in errors.items() if not error <= LIMIT}:
        figures = ", ".join(f"{name} {error:.1e}" for name, error in bad.items())
        raise PrecisionError(
            f"{adapter.__name__}: float32 is not float32 here: relative error {figures}, expected at most "
            f"{LIMIT:.0e}; set MLX_ENABLE_TF32=0 before the first operation, and no reduced-precision "
            "matmul mode"
        )
    return errors
