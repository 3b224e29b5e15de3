"""Attention on any device, at float32 rounding level.

On a GPU it is MLX's fused one where that is exact enough. On a CPU both products are the BLAS's, and what lies between
them is made of operations that a compiler vectorises (listed in `cpu/activations.py`). Without a bias, or with one that
all queries share, the scores are made transposed, a query's in a column: MLX takes a maximum down columns three times
as fast as along rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import mlx.core as mx

from mlx_impl.ops.cpu.exponential import LOG2E, exp2_below_0, exp_below_0
from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.linear import Linear, matmul
from mlx_impl.ops.parallel import halves
from mlx_impl.ops.summation import blocked_sum

_LOWEST = -1e38  # of a mask: times log2(e) and with scores of up to 5e37, less their maximum, it is finite
_MANY_SCORES = 2**16  # from here on two streams are worth their synchronisation


class HeadLinear(Linear):
    """`b t c` -> `b t c`, which on a CPU lies in memory as `b c t`, so that each head's rows are one piece.

    `attention` copies nothing then, and where it works in columns what it returns lies so too.
    """

    def __call__(self, x: mx.array) -> mx.array:
        if on_gpu():
            return super().__call__(x)
        y = matmul(self.weight, x.swapaxes(-1, -2))  # (B, C, T)
        return (y + self.bias[:, None] if "bias" in self else y).swapaxes(-1, -2)


def attention(q: mx.array, k: mx.array, v: mx.array, *, scale: float, bias: mx.array | None = None) -> mx.array:
    """Layout (B, H, T, D): softmax(scale·q·kᵀ + bias)·v for q (B, H, Tq, D) and k, v (B, H, Tk, D).

    `bias` (.., Tq or 1, Tk) is added to the scores and broadcasts to (B, H, Tq, Tk); a boolean mask is a TypeError.
    Scores and weights are float32 whatever the inputs are; the result has the dtype of `v`. Scores of up to 5e37 either
    way are safe. On a CPU a bias that all queries share, (.., 1, Tk), is limited to -1e38 from below, so -inf is
    allowed in it; where all of it is -inf, the result is the mean of `v`. An infinite product of q and k may give NaN
    with such a bias, or without one. With any other bias infinities are as in `softmax_matmul`. Raises ValueError for
    other shapes.
    """
    if q.ndim != 4 or q.shape[:2] + q.shape[3:] != k.shape[:2] + k.shape[3:] or k.shape[:3] != v.shape[:3]:
        raise ValueError(
            f"got q {q.shape}, k {k.shape} and v {v.shape}, expected (B, H, Tq, D), (B, H, Tk, D) and "
            "(B, H, Tk, D): split the heads and repeat shared ones first"
        )
    if bias is not None and bias.dtype == mx.bool_:
        raise TypeError("got a boolean bias, expected numbers to add: mx.where(mask, 0.0, -1e9) makes them")
    if on_gpu():
        return _on_gpu(scale, q, k, v, bias)
    for_all_queries = bias is None or bias.shape[-2] == 1
    if bias is not None and for_all_queries:
        bias = mx.maximum(bias.astype(mx.float32), _LOWEST)
    columns = for_all_queries and several(q)
    shape = (*q.shape[:2], 1 if columns else q.shape[2], k.shape[2])
    biases = () if bias is None else (mx.broadcast_to(bias, shape),)
    out = _by_heads(partial(_in_columns if columns else _in_rows, scale), q, k, v, *biases)
    return out.swapaxes(-1, -2) if columns else out


def skewed(scores: mx.array) -> mx.array:
    """`b h t r` -> `b h t t`, r = 2t - 1: row i from its column t - 1 - i on, as a view."""
    batch, heads, frames, positions = scores.shape
    strides = (heads * frames * positions, frames * positions, positions - 1, 1)
    return mx.as_strided(scores, (batch, heads, frames, frames), strides, offset=frames - 1)


def _on_gpu(scale: float, q: mx.array, k: mx.array, v: mx.array, bias: mx.array | None) -> mx.array:
    if bias is None:
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale)
    if unfused(q):
        return matmul(mx.softmax(matmul(q * scale, k.swapaxes(-1, -2)) + bias, axis=-1), v)
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=narrowed(bias, q.dtype))


def narrowed(bias: mx.array, dtype: mx.Dtype) -> mx.array:
    """A bias in half precision: a float32 mask of -1e9 must not become -inf in float16."""
    return mx.maximum(bias, mx.finfo(dtype).min).astype(dtype)


def unfused(q: mx.array) -> bool:
    """Whether a biased product of a GPU is made of parts: MLX's own adds the 64 products of a score in order."""
    return q.dtype == mx.float32


def _by_heads(f: Callable[..., mx.array], q: mx.array, k: mx.array, *others: mx.array) -> mx.array:
    """f(q, k, *others): at once where there are few scores, else half of the heads on each stream."""
    return f(q, k, *others) if few(q, k) else halves(f, q, k, *others, axis=1)


def several(q: mx.array) -> bool:
    """Whether scores have enough rows for a maximum down columns to be the faster one."""
    return q.shape[2] > 1


def few(q: mx.array, k: mx.array) -> bool:
    """Whether the scores of `q` and `k` are not worth the synchronisation of two streams."""
    return math.prod((*q.shape[:3], k.shape[2])) < _MANY_SCORES


def _in_columns(scale: float, q: mx.array, k: mx.array, v: mx.array, bias: mx.array | None = None) -> mx.array:
    """`bias` (B, H, 1, Tk) -> (B, H, D, Tq). By 2^x, whose kernel is shorter and needs no limit before it."""
    q, k, values = (x.astype(mx.float32) for x in (q, k, v))
    scores = matmul(k, (q * (scale * LOG2E)).swapaxes(-1, -2))  # (B, H, Tk, Tq)
    if bias is not None:
        scores = scores + (bias * LOG2E).swapaxes(-1, -2)
    weights = exp2_below_0(scores - mx.max(scores, axis=-2, keepdims=True))
    return (matmul(values.swapaxes(-1, -2), weights) / blocked_sum(weights)).astype(v.dtype)


def _in_rows(scale: float, q: mx.array, k: mx.array, v: mx.array, bias: mx.array | None = None) -> mx.array:
    """(B, H, Tq, D)."""
    scores = matmul(q.astype(mx.float32) * scale, k.astype(mx.float32).swapaxes(-1, -2))
    return softmax_matmul(scores if bias is None else scores + bias, v)


def softmax_matmul(scores: mx.array, v: mx.array) -> mx.array:
    """Layout (B, H, T, D): softmax of `scores` (B, H, Tq, Tk) over its last axis, times `v` (B, H, Tk, D), on a CPU.

    Additive masks are already in `scores`. The row maximum is subtracted, so any finite score is safe; a row
    of equal scores, however negative, gives the mean of `v`. -inf gives weight 0; NaN, inf or a row of -inf
    gives a NaN row. The result (B, H, Tq, D) has the dtype of `v`; the weights are normalised after the product.
    """
    scores, values = scores.astype(mx.float32), v.astype(mx.float32)
    weights = exp_below_0(scores - mx.max(scores, axis=-1, keepdims=True))
    total = matmul(weights, mx.ones((weights.shape[-1], 1)))
    return (matmul(weights, values) / total).astype(v.dtype)
