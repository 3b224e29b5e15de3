"""What the properties draw: arrays of every dtype, their shapes, axes and edge values."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

EDGES = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, -1e-45, 2.0**-126, 65504.0, 3e38, 0.5, 1.5, 2.5]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

few = settings(deadline=None, max_examples=25, derandomize=True)
many = settings(deadline=None, max_examples=100, derandomize=True)


def shapes(least: int = 0, most: int = 3, side: int = 5, empty: bool = False) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of `least` to `most` axes of up to `side` values, and with `empty` of none."""
    return hnp.array_shapes(min_dims=least, max_dims=most, min_side=0 if empty else 1, max_side=side)


def floats(shape: Any, low: float = -100.0, high: float = 100.0, edges: bool = False) -> st.SearchStrategy[np.ndarray]:
    """Arrays of float32 between two numbers, and with `edges` also of zeros, subnormal and special numbers."""
    low, high = float(np.float32(low)), float(np.float32(high))
    numbers = st.floats(low, high, width=32, allow_subnormal=False)
    return hnp.arrays(np.float32, shape, elements=st.one_of(numbers, st.sampled_from(EDGES)) if edges else numbers)


def integers(dtype: str, shape: Any, low: int | None = None, high: int | None = None) -> st.SearchStrategy[np.ndarray]:
    """Arrays of integers of a dtype, its ends included, or between two numbers."""
    if np.dtype(dtype).kind == "b":
        return hnp.arrays(dtype, shape)
    ends = np.iinfo(dtype)
    low, high = max(ends.min, ends.min if low is None else low), min(ends.max, ends.max if high is None else high)
    return hnp.arrays(dtype, shape, elements=st.integers(low, high))


@st.composite
def normals(draw: st.DrawFn, shape: Any, scale: float = 1.0) -> np.ndarray:
    """Normal numbers in float32: arrays that are too large to draw one by one."""
    shape = shape if isinstance(shape, tuple) else draw(shape)
    seed = draw(st.integers(0, 2**32 - 1))
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)
