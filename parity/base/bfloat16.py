"""bfloat16, which NumPy has not: an array of its bits, and the floats that they stand for."""

from __future__ import annotations

import numpy as np


class BFloat16(np.ndarray):
    """Bits of bfloat16 numbers, as `uint16`: the upper halves of float32 numbers. A part of one is one."""


def stored_dtype(array: np.ndarray) -> str:
    """The dtype in which an array's numbers are stored."""
    return "bfloat16" if isinstance(array, BFloat16) else array.dtype.name


def widened(array: np.ndarray) -> np.ndarray:
    """The numbers of an array: float32 for bfloat16, and any other array itself."""
    if not isinstance(array, BFloat16):
        return array
    return (np.asarray(array).astype(np.uint32) << 16).view(np.float32)
