"""Tensors that become one: a weight and its norm, and the two biases of an LSTM."""

from __future__ import annotations

import numpy as np


def fold(g: np.ndarray, v: np.ndarray, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """The weight g v / ||v||, the norm over all axes but the first; `g (n, 1, 1)`, `v (n, ., .)` in PyTorch's layout.

    Transposed convolutions, whose first axis is their input, are treated alike. The weight is computed in float64 and
    rounded once to `dtype`. Raises `ValueError` where g does not fit v, or a channel of v has no direction.
    """
    if g.shape != (v.shape[0], *(1 for _ in v.shape[1:])):
        raise ValueError(f"weight norm: g has shape {g.shape}, which does not fit v {v.shape}")
    if not v.reshape(len(v), -1).any(1).all():
        raise ValueError("weight norm: a channel of v is 0, which has no direction; make the file again")
    wide = v.astype(np.float64)
    norm = np.sqrt(np.sum(wide * wide, axis=tuple(range(1, v.ndim)), keepdims=True))
    wide /= norm
    wide *= g
    return wide.astype(dtype, copy=False)


def add(first: np.ndarray, second: np.ndarray, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """The sum, taken in float64 and rounded once to `dtype`. Raises `ValueError` for two shapes."""
    if first.shape != second.shape:
        raise ValueError(f"two biases of shapes {first.shape} and {second.shape}, expected one")
    return (first.astype(np.float64) + second).astype(dtype)
