"""Functions that compute in float32 whatever their inputs are, as compositions of plain operations.

While a function is traced they stand in for MLX's own. The fallbacks of `mx.fast` on a CPU keep the epsilon, the base
and the scale as float32, and `mx.linspace` both its ends. Sources: `mlx/fast.cpp`, `mlx/ops.cpp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx


def least(dtype: Any) -> float:
    """What a masked score becomes, as in MLX: the lowest number of its dtype, of float32 where double takes its place.

    Half precision has its own, for in half precision float32's is -inf.
    """
    return float(mx.finfo(mx.float32 if dtype == mx.float64 else dtype).min)


def rms_norm(x: Any, weight: Any, eps: float, *, stream: Any = None) -> Any:
    """x (..., C), weight (C,): x / √(mean(x²) + eps) · weight."""
    normal = x * mx.rsqrt(mx.mean(mx.square(x), axis=-1, keepdims=True) + eps)
    return normal if weight is None else normal * weight


def layer_norm(x: Any, weight: Any, bias: Any, eps: float, *, stream: Any = None) -> Any:
    """x (..., C), weight and bias (C,): (x - mean) / √(variance + eps) · weight + bias."""
    centred = x - mx.mean(x, axis=-1, keepdims=True)
    normal = centred * mx.rsqrt(mx.mean(mx.square(centred), axis=-1, keepdims=True) + eps)
    normal = normal if weight is None else normal * weight
    return normal if bias is None else normal + bias


def rope(
    a: Any,
    dims: int,
    *,
    traditional: bool,
    base: float | None,
    scale: float,
    offset: Any,
    freqs: Any = None,
    stream: Any = None,
) -> Any:
    """a (B, ..., T, D): the first `dims` features turned by position · base^(-2i / dims).

    Pairs are neighbours where `traditional`, else one of each half.
    """
    half = dims // 2
    positions = mx.arange(a.shape[-2])
    if isinstance(offset, mx.array) and offset.size > 1:
        positions = positions + offset.reshape(-1, *[1] * (a.ndim - 2))
    else:
        positions = positions + offset
    if freqs is None:
        inverse = mx.exp(-mx.arange(half).astype(mx.float64) * (math.log(base or 1.0) / half))
    else:
        inverse = mx.reciprocal(freqs)
    theta = (positions.astype(mx.float64) * scale)[..., None] * inverse
    cos, sin = mx.cos(theta), mx.sin(theta)
    first, second = (a[..., 0:dims:2], a[..., 1:dims:2]) if traditional else (a[..., :half], a[..., half:dims])
    turned = [first * cos - second * sin, first * sin + second * cos]
    if traditional:
        turned = [mx.stack(turned, axis=-1).reshape(*a.shape[:-1], dims)]
    result = mx.concatenate(turned, axis=-1)
    return result if dims == a.shape[-1] else mx.concatenate([result, a[..., dims:]], axis=-1)


def scaled_dot_product_attention(
    q: Any, k: Any, v: Any, *, scale: float, mask: Any = None, sinks: Any = None, **others: Any
) -> Any:
    """q (B, H, L, D), k and v (B, K, S, D) with H a multiple of K: softmax(scale · q kᵀ + mask) v.

    `mask` is boolean (true where a key is seen), added, or "causal": aligned at the last query and key. `sinks` (H,)
    are scores of keys without a value.
    """
    groups, each = k.shape[1], q.shape[1] // k.shape[1]
    q = mx.unflatten(q * scale, 1, (groups, each))
    scores = q @ mx.swapaxes(k, -1, -2)[:, :, None]
    if isinstance(mask, str):
        queries, keys = q.shape[-2], k.shape[-2]
        mask = (mx.arange(queries)[:, None] + (keys - queries)) >= mx.arange(keys)
    if mask is not None:
        if mask.ndim >= 3:
            one = mask.shape[-3] == 1
            mask = mx.expand_dims(mask, -3) if one else mx.unflatten(mask, -3, (groups, each))
        scores = mx.where(mask, scores, least(scores.dtype)) if mask.dtype == mx.bool_ else scores + mask
    if sinks is not None:
        column = mx.unflatten(sinks, 0, (groups, each))[None, :, :, None, None]
        column = mx.broadcast_to(column, (*scores.shape[:-1], 1))
        scores = mx.concatenate([column, scores], axis=-1)
    weights = mx.softmax(scores, axis=-1)
    if sinks is not None:
        weights = weights[..., 1:]
    return mx.flatten(weights @ v[:, :, None], 1, 2)


def linspace(start: float, stop: float, num: int = 50, dtype: Any = mx.float32, *, stream: Any = None) -> Any:
    """`num` numbers from start to stop: (1 - t) · start + t · stop."""
    t = mx.arange(num).astype(mx.float64) / max(num - 1, 1)
    return ((1 - t) * float(start) + t * float(stop)).astype(dtype)


COMPOSED: Mapping[tuple[Any, str], Callable[..., Any]] = {
    (mx.fast, "rms_norm"): rms_norm,
    (mx.fast, "layer_norm"): layer_norm,
    (mx.fast, "rope"): rope,
    (mx.fast, "scaled_dot_product_attention"): scaled_dot_product_attention,
    (mx, "linspace"): linspace,
}
