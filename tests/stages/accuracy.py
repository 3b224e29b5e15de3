"""How near a function of float32 is to the exact one, by PyTorch's own error and in units of the last place."""

import numpy as np

from parity.base.metrics import rms


def judge(ours: np.ndarray, torch32: np.ndarray, truth: np.ndarray) -> list[str]:
    """What is wrong with ``ours``: nothing if it is as close to the truth, and to PyTorch, as PyTorch allows."""
    ours, torch32 = ours.astype(np.float64), torch32.astype(np.float64)
    floor = rms(torch32 - truth)
    ratios = {"truth": (rms(ours - truth) / floor, 1.3), "distance": (rms(ours - torch32) / floor, 2.0)}
    return [f"{name} {value:.2f}, expected <= {bound}" for name, (value, bound) in ratios.items() if not value <= bound]


def worst_ulp(ours: np.ndarray, truth: np.ndarray) -> float:
    return float(np.max(np.abs(ours - truth) / np.spacing(np.abs(truth).astype(np.float32)).astype(np.float64)))
