"""Numbers as a file stores them: float32 to half precision and back, rounded to nearest, ties to even."""

from __future__ import annotations

import numpy as np

EPSILON = {"F32": 2.0**-23, "F16": 2.0**-10, "BF16": 2.0**-7}
CHUNK = 1 << 20  # values that are rounded at a time: rounding needs several copies of them
SMALLEST = {"F32": 2.0**-149, "F16": 2.0**-24, "BF16": 2.0**-133}


def encode(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """A float32 array in `dtype`, bfloat16 as its bits. Raises `ValueError` where a weight becomes infinite."""
    if dtype == "F32":
        return array
    stored = np.empty(array.shape, np.float16 if dtype == "F16" else np.uint16)
    source, target = np.ascontiguousarray(array).reshape(-1), stored.reshape(-1)
    for start in range(0, array.size, CHUNK):
        part = source[start : start + CHUNK]
        with np.errstate(over="ignore"):
            rounded = part.astype(np.float16) if dtype == "F16" else rounded_bits(part)
        if np.isinf(decode(rounded, dtype)).any():
            raise ValueError(f"{name} holds {np.abs(part).max():.3g}, too large for {dtype}; choose another --dtype")
        target[start : start + CHUNK] = rounded
    return stored


def rounded_bits(array: np.ndarray) -> np.ndarray:
    """The upper half of each float32, rounded: bfloat16."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def decode(stored: np.ndarray, dtype: str) -> np.ndarray:
    """A stored array as float32 where it holds weights, else as it is."""
    if dtype == "BF16":
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32) if dtype == "F16" else stored
