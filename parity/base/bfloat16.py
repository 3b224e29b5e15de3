"""bfloat16, which NumPy has not: an array of its bits, and the floats that they stand for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


class BFloat16(np.ndarray):
    """Bits of bfloat16 numbers, as `uint16`: the upper halves of float32 numbers. A part of one is one."""


def stored_dtype(array: np.ndarray) -> str:
    """The dtype in which an array's numbers are stored."""
    return "bfloat16" if isinstance(array, BFloat16) else _name(array.dtype)


@lru_cache
def _name(dtype: np.dtype) -> str:
    """What NumPy calls a dtype. It makes the name anew each time, which takes longer than to open a file."""
    return dtype.name


def widened(array: np.ndarray) -> np.ndarray:
    """The numbers of an array: float32 for bfloat16, and any other array itself."""
    if not isinstance(array, BFloat16):
        return array
    bits = np.asarray(array).astype(np.uint32)
    bits <<= 16
    return bits.view(np.float32)
