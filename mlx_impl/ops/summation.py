"""Sums of many values into one that many others share, so that its rounding is everyone's error.

MLX's CPU sums add one value after the other; PyTorch's add in parts, as these do on any device.
"""

from __future__ import annotations

import mlx.core as mx

from mlx_impl.ops import functional as F
from mlx_impl.ops.linear import matmul, root


def pairwise_sum(x: mx.array) -> mx.array:
    """`(..., T, c)` -> `(..., 1, c)`. Adds the second half to the first until one is left: log2(T) roundings."""
    while x.shape[-2] > 1:
        half = (x.shape[-2] + 1) // 2
        rest = x.shape[-2] - half
        paired = x[..., :rest, :] + x[..., half:, :]
        x = mx.concatenate([paired, x[..., rest:half, :]], axis=-2) if rest < half else paired
    return x


def blocked_sum(x: mx.array) -> mx.array:
    """`(..., T, c)` -> `(..., 1, c)`. In blocks of the root of T, then the blocks: one pass, and 2 √T roundings."""
    *batch, length, width = x.shape
    block = root(length)
    whole = length - length % block
    blocks = x[..., :whole, :].reshape(*batch, whole // block, block, width)
    y = mx.sum(mx.sum(blocks, axis=-2), axis=-2, keepdims=True)
    return y if whole == length else y + mx.sum(x[..., whole:, :], axis=-2, keepdims=True)


def mean_over_time(x: mx.array) -> mx.array:
    """`(B, T, c)` -> `(B, 1, c)`."""
    return pairwise_sum(x) / x.shape[1]


def normalize(x: mx.array, eps: float = 0.0) -> mx.array:
    """`(B, c)` -> `(B, c)`, each row divided by its length, or by `eps` where that is more."""
    length = mx.sqrt(blocked_sum(mx.square(x)[..., None])[..., 0])
    return x / mx.maximum(length, eps)


def softmax(scores: mx.array) -> mx.array:
    """Over the last axis, with an exact exponential; the sum is a matrix product, which adds in blocks."""
    weights = F.exp(scores - mx.max(scores, axis=-1, keepdims=True))
    return weights / matmul(weights, mx.ones((scores.shape[-1], 1)))
