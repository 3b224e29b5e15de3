"""Layouts: PyTorch's order of a weight's axes to MLX's."""

from __future__ import annotations

import re

import numpy as np

# A layout is decided by the declared kind of the parameter, never by its shape: with in == k both orders fit.
CONV = re.compile(r"(^|\.)(conv|conv1|conv2|res_conv|final_proj|conv_pre|conv_post|source_down|convs\.\d+)\.weight$")
CONV_TRANSPOSE1D = re.compile(r"(^|\.)up\.weight$")


def to_mlx_layout(name: str, array: np.ndarray) -> np.ndarray:
    """PyTorch's layout to MLX's, contiguous.

    Conv1d (out, in, k) to (out, k, in), Conv2d alike; ConvTranspose1d (in, out, k) to (out, k, in); linear layers stay
    (out, in).
    """
    if CONV.search(name):
        return np.ascontiguousarray(np.moveaxis(array, 1, -1))
    if CONV_TRANSPOSE1D.search(name):
        return np.ascontiguousarray(array.transpose(1, 2, 0))
    return array


def pytorch_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in PyTorch's layout of a parameter that has `shape` in MLX's: the inverse of `to_mlx_layout`."""
    if CONV.search(name):
        return shape[0], shape[-1], *shape[1:-1]
    if CONV_TRANSPOSE1D.search(name):
        return shape[2], shape[0], shape[1]
    return shape
