"""Numbers as a file stores them, in half precision perhaps."""

from __future__ import annotations

import numpy as np


def decode(stored: np.ndarray, dtype: str) -> np.ndarray:
    """A stored array as float32 where it holds weights, else as it is."""
    if dtype == "BF16":
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32) if dtype == "F16" else stored
