"""Primitives that sum, compare or multiply along axes, and products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from parity.exact.operations import casts
from parity.exact.operations.convolution import convolve
from parity.exact.primitives.registry import Output, primitive


@primitive("Reduce", "operation", "axes")
def reduce(x: np.ndarray, *, operation: int, axes: Sequence[int], outputs: tuple[Output, ...]) -> np.ndarray:
    """`operation` numbers MLX's: and, or, sum, prod, min, max. Reduced axes stay, with length 1."""
    axis, kind = tuple(axes), casts.storage(outputs[0].dtype)
    if operation in (2, 3):
        return np.asarray((np.sum if operation == 2 else np.prod)(x, axis, dtype=kind, keepdims=True))
    compare: Any = {0: np.all, 1: np.any, 4: np.min, 5: np.max}[operation]
    return np.asarray(compare(x, axis, keepdims=True))


@primitive("ArgReduce", "operation", "axis")
def arg_reduce(x: np.ndarray, *, operation: int, axis: int) -> np.ndarray:
    """`operation` numbers MLX's: the place of the smallest value, of the largest; the first of equal ones."""
    return np.asarray((np.argmin, np.argmax)[operation](x, axis, keepdims=True)).astype(np.uint32)


@primitive("Softmax", "precise")
def softmax(x: np.ndarray, *, precise: bool) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(x - np.max(x, -1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


@primitive("LogSumExp")
def logsumexp(x: np.ndarray) -> np.ndarray:
    """Over the last axis, which stays with length 1."""
    return np.asarray(np.logaddexp.reduce(x, -1, keepdims=True))


primitive("Matmul")(np.matmul)


@primitive("AddMM", "alpha", "beta", scalars=("alpha", "beta"))
def addmm(a: np.ndarray, b: np.ndarray, c: np.ndarray, *, alpha: float, beta: float) -> np.ndarray:
    """alpha · a @ b + beta · c."""
    return np.asarray(alpha * (a @ b) + beta * c)


@primitive("Convolution", "strides", "low", "high", "kernel_dilation", "input_dilation", "groups", "flip")
def convolution(
    x: np.ndarray,
    weight: np.ndarray,
    *,
    strides: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    kernel_dilation: Sequence[int],
    input_dilation: Sequence[int],
    groups: int,
    flip: bool,
) -> np.ndarray:
    return convolve(x, weight, strides, low, high, kernel_dilation, input_dilation, groups, flip)
