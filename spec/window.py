"""The window of short-time Fourier transforms, where they do not take their library's."""

from __future__ import annotations

import numpy as np


def hann_window(length: int) -> np.ndarray:
    """Periodic Hann window `(length,)`, float64, to be rounded once. PyTorch's own in float32 is another by an ulp."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
