"""Layouts: in which order a weight's axes are stored, by the declared kind of the weight and by who stores it.

A layout is decided by the declared kind, never by a shape: with as many inputs as taps both orders fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PYTORCH, MLX, SWIFT = "pytorch", "mlx", "swift"

# o outputs, i inputs, k taps, h and w the taps of two dimensions. What is not listed lies the same everywhere.
LINEAR = {PYTORCH: "oi", MLX: "oi", SWIFT: "io"}
LINEAR_OF_GPT2 = {PYTORCH: "io", MLX: "oi", SWIFT: "io"}  # transformers calls the layer a convolution
CONV1D = {PYTORCH: "oik", MLX: "oki", SWIFT: "oki"}
CONV2D = {PYTORCH: "oihw", MLX: "ohwi", SWIFT: "ohwi"}
CONV_TRANSPOSE1D = {PYTORCH: "iok", MLX: "oki", SWIFT: "oki"}
PLAIN: dict[str, str] = {}

Layout = dict[str, str]


def permutation(layout: Layout, have: str, want: str, axes: int) -> tuple[int, ...]:
    """The axes that lead from the order in which `have` stores a weight to that of `want`; no change without a kind."""
    if not layout:
        return tuple(range(axes))
    return tuple(layout[have].index(axis) for axis in layout[want])


def permuted(shape: Sequence[int], order: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with its axes in another order; as it is, if it has another number of axes."""
    return tuple(shape[axis] for axis in order) if len(shape) == len(order) else tuple(shape)


def convert(array: np.ndarray, layout: Layout, have: str, want: str) -> np.ndarray:
    """A weight in the order of `want`, contiguous."""
    return np.asarray(array.transpose(permutation(layout, have, want, array.ndim)), order="C")
