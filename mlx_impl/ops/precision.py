"""In what precision a run keeps its numbers: whatever NumPy makes for it must not be rounded to less.

MLX keeps float32 as float32. In a run in double (`parity.exact.standin`) what is called float32 is kept as float64, and
a table that is rounded to float32 all the same would belong to another computation.
"""

from __future__ import annotations

from functools import cache

import mlx.core as mx
import numpy as np


@cache
def working_float() -> type[np.floating]:
    """The NumPy type in which this run keeps what it calls float32: `np.float32`, or `np.float64` in double."""
    return np.asarray(mx.zeros(1)).dtype.type


def in_double() -> bool:
    """Whether this is a run in double. What was made for float32, a polynomial or fixed point, has no place there."""
    return working_float() is np.float64
