"""Functions of several steps, each of them rounded: MLX's, with its arguments by their names, on NumPy arrays.

Each takes the `Rounding` first. What is a step is MLX's choice: what its plain path on a CPU computes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.exact.operations.products import gather_mm
from parity.exact.operations.quantization import dequantize
from parity.exact.rounding.coin import Axes, Rounding, together


def sigmoid(r: Rounding, a: np.ndarray) -> np.ndarray:
    """1 / (1 + e^|a|), or 1 less it."""
    smaller = r.once(1 / r.once(1 + r.exp(np.abs(a))))
    return np.where(a < 0, smaller, r.once(1 - smaller))


def logaddexp(r: Rounding, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    larger, apart = np.maximum(a, b), r.once(-np.abs(np.subtract(a, b)))
    return np.where(np.isfinite(apart), r.once(larger + r.once(np.log1p(r.exp(apart)))), larger)


def logsumexp(r: Rounding, a: np.ndarray, axis: Axes = None, keepdims: bool = False) -> np.ndarray:
    largest = _largest(a, axis)
    sums = r.sum(r.exp(r.once(a - largest)), axis, keepdims=True)
    result = r.once(largest + r.once(np.log(sums)))
    return result if keepdims else np.squeeze(result, together(axis))


def softmax(r: Rounding, a: np.ndarray, axis: Axes = None, precise: bool = False) -> np.ndarray:
    """Of the whole array where no axis is given."""
    powers = r.exp(r.once(a - _largest(a, axis)))
    return r.once(powers * r.once(1 / r.sum(powers, axis, keepdims=True)))


def _largest(a: np.ndarray, axis: Axes) -> np.ndarray:
    largest = np.max(a, axis=together(axis), keepdims=True)
    return np.where(np.isfinite(largest), largest, 0)


def mean(r: Rounding, a: np.ndarray, axis: Axes = None, keepdims: bool = False) -> np.ndarray:
    return r.mean(a, axis, keepdims)


def total(r: Rounding, a: np.ndarray, axis: Axes = None, keepdims: bool = False) -> np.ndarray:
    """`mx.sum`."""
    return r.sum(a, axis, keepdims)


def var(
    r: Rounding,
    a: np.ndarray,
    axis: Axes = None,
    keepdims: bool = False,
    ddof: int = 0,
    correction: int | None = None,
) -> np.ndarray:
    """`correction` is another name of `ddof`."""
    ddof = ddof if correction is None else correction
    squares = r.sum(r.once(np.square(r.once(a - r.mean(a, axis, keepdims=True)))), axis, keepdims)
    return r.once(squares / (a.size / max(squares.size, 1) - ddof))


def std(r: Rounding, a: np.ndarray, *args: Any, **kwargs: Any) -> np.ndarray:
    """The root of what `var` gives for the same arguments."""
    return r.once(np.sqrt(var(r, a, *args, **kwargs)))


def norm(r: Rounding, a: np.ndarray, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> np.ndarray | None:
    """`mx.linalg.norm`: the Euclidean length; None for the others, which are rounded once."""
    squares = r.sum(r.once(np.square(np.abs(a))), axis, keepdims)
    return r.once(np.sqrt(squares)) if ord is None else None


def cumsum(
    r: Rounding,
    a: np.ndarray,
    axis: int | None = None,
    reverse: bool = False,
    inclusive: bool = True,
    dtype: Any = None,
) -> np.ndarray:
    """Of the flattened array where no axis is given. `dtype` is what is reported: it changes no value here."""
    if axis is None:
        a, axis = a.reshape(-1), 0
    a = np.flip(a, axis) if reverse else a
    sums = r.scanned(np.cumsum(a, axis), axis)
    if not inclusive:
        first = np.zeros_like(np.take(sums, [0], axis))
        sums = np.concatenate([first, np.delete(sums, -1, axis)], axis)
    return np.flip(sums, axis) if reverse else sums


def addmm(r: Rounding, c: np.ndarray, a: np.ndarray, b: np.ndarray, alpha: Any = 1.0, beta: Any = 1.0) -> np.ndarray:
    product = r.matmul(a, b)
    return r.once(r.once(alpha * product) + r.once(beta * c))


def quantized_matmul(
    r: Rounding,
    x: np.ndarray,
    w: np.ndarray,
    scales: np.ndarray,
    biases: np.ndarray | None = None,
    transpose: bool = True,
    *settings: Any,
    **named: Any,
) -> np.ndarray:
    """x times the dequantised matrix, whose values are rounded, or its transpose."""
    matrix = r.once(dequantize(w, scales, biases, *settings, **named))
    return r.matmul(x, np.swapaxes(matrix, -1, -2) if transpose else matrix)


def gather_qmm(
    r: Rounding,
    x: np.ndarray,
    w: np.ndarray,
    scales: np.ndarray,
    biases: np.ndarray | None = None,
    lhs_indices: np.ndarray | None = None,
    rhs_indices: np.ndarray | None = None,
    transpose: bool = True,
    *settings: Any,
    sorted_indices: bool = False,
    **named: Any,
) -> np.ndarray:
    """Products of matrices that indices choose; those on the right are dequantised, and rounded."""
    matrix = r.once(dequantize(w, scales, biases, *settings, **named))
    matrix = np.swapaxes(matrix, -1, -2) if transpose else matrix
    return r.product(lambda a, b: gather_mm(a, b, lhs_indices, rhs_indices), x, matrix)


def rms_norm(r: Rounding, x: np.ndarray, weight: np.ndarray | None, eps: float) -> np.ndarray:
    """Over the last axis. One reciprocal root, with its rounding, scales a whole row."""
    scale = r.once(1 / np.sqrt(r.once(r.mean(r.once(np.square(x)), -1, keepdims=True) + eps)))
    result = r.once(x * scale)
    return result if weight is None else r.once(result * weight)


def layer_norm(
    r: Rounding, x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> np.ndarray:
    """Over the last axis."""
    centred = r.once(x - r.mean(x, -1, keepdims=True))
    scale = r.once(1 / np.sqrt(r.once(r.mean(r.once(np.square(centred)), -1, keepdims=True) + eps)))
    result = r.once(centred * scale)
    result = result if weight is None else r.once(result * weight)
    return result if bias is None else r.once(result + bias)


def scaled_dot_product_attention(
    r: Rounding,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    scale: float,
    mask: np.ndarray | str | None = None,
    sinks: np.ndarray | None = None,
) -> np.ndarray:
    """q (B, H, L, D), k (B, G, S, D), v (B, G, S, E), where H is a multiple of G."""
    groups = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, groups, 1), np.repeat(v, groups, 1)
    scores = r.matmul(r.once(q * scale), np.swapaxes(k, -1, -2))
    if isinstance(mask, str):
        queries, keys = scores.shape[-2:]
        mask = np.arange(keys) <= np.arange(queries)[:, None] + (keys - queries)
    if isinstance(mask, np.ndarray):
        hidden = np.finfo(np.float32).min
        scores = np.where(mask, scores, hidden) if mask.dtype == np.bool_ else r.once(scores + mask)
    if sinks is not None:
        shown = np.broadcast_to(sinks[:, None, None], (*scores.shape[:-1], 1))
        return r.matmul(softmax(r, np.concatenate([shown, scores], -1), -1)[..., 1:], v)
    return r.matmul(softmax(r, scores, -1), v)


def rope(
    r: Rounding,
    a: np.ndarray,
    dims: int,
    *,
    traditional: bool,
    base: float | None = None,
    scale: float = 1.0,
    offset: np.ndarray | int = 0,
    freqs: np.ndarray | None = None,
) -> np.ndarray:
    """Pairs among the first `dims` of the last axis of a (B, ..., T, D), rotated. The angle of a late position has the
    rounding of its frequency as many times as the position says."""
    half = dims // 2
    if freqs is None:
        inverse = r.exp(-r.once(np.arange(half) * r.once(np.log(base or np.nan) / half)))
    else:
        inverse = r.once(1 / freqs)
    start = np.asarray(offset, np.float64).reshape(-1)
    start = start.reshape(-1, *(1,) * (a.ndim - 2)) if start.size > 1 else start
    angle = r.once(r.once((np.arange(a.shape[-2]) + start) * scale)[..., None] * inverse)
    cosine, sine = r.once(np.cos(angle)), r.once(np.sin(angle))
    first, second = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(0, half), slice(half, dims))
    turned = np.array(a)
    turned[..., first] = r.once(r.once(a[..., first] * cosine) - r.once(a[..., second] * sine))
    turned[..., second] = r.once(r.once(a[..., first] * sine) + r.once(a[..., second] * cosine))
    return turned
