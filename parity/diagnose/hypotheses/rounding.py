"""Errors of a narrower float: values on its grid, or noise of its size. No findings where the run asked for one."""

from __future__ import annotations

import numpy as np

from parity.base.metrics import dot, rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis

GRIDS = {"fp16": 10, "bf16": 7}
"""Bits behind the leading one."""

FEWEST = 16
"""Distinct values of which it says something that all are of a grid: 0 and 1 are of any."""


@hypothesis
def grid(e: Evidence) -> Finding | None:
    """Every value of the candidate is one of half precision, and those of the reference are not."""
    if not e.comparable or e.rounded is not None or len(np.unique(e.candidate)) < FEWEST:
        return None
    for name, bits in reversed(GRIDS.items()):
        if _on_grid(e.candidate, bits) and not _on_grid(e.reference, bits):
            return Finding("rounding", 0.97, f"every value is one of {name}, {bits} bits")
    return None


@hypothesis
def noise(e: Evidence) -> Finding | None:
    """Noise that is everywhere and goes with nothing, of the size that a float's rounding makes."""
    if not e.comparable or e.r.size < 16 or e.size == 0 or e.rounded is not None:
        return None
    relative = e.size / max(rms(e.r), 1e-30)
    along = abs(dot(e.error.ravel(), e.r.ravel())) / max(e.size * rms(e.r) * e.r.size, 1e-300)
    everywhere = float((np.abs(e.error) > 0.05 * e.size).mean())
    if along > 0.4 or everywhere < 0.5:
        return None
    for low, high, name in ((2e-5, 1e-3, "tf32 or fp16, 10 bits"), (1e-3, 1.2e-2, "bf16, 7 bits")):
        if low <= relative < high:
            return Finding("rounding", 0.75, f"noise of {relative:.1e} of the values everywhere, as {name} has it")
    if relative < 2e-5:
        return Finding(
            "float32 sums", 0.6, f"noise of {relative:.1e}: float32, summed in another order or twice rounded"
        )
    return None


def _on_grid(array: np.ndarray, bits: int) -> bool:
    """Whether all values, as float32, have zeros behind that many bits."""
    if array.dtype != np.float32:
        return False
    whole = np.ascontiguousarray(array).view(np.uint32)
    return not bool((whole & np.uint32((1 << (23 - bits)) - 1)).any())
