"""Elementwise and attention functions, on any layout and shape, at float32 rounding level.

On a GPU these are MLX's own operations, but for tanh, which is one kernel on any device. On the CPU, MLX runs `exp`,
`erf` and `tanh` one element at a time, and its `exp` is off by up to 29 ulp for |x| <= 30. There they are replaced by
polynomials made of operations that a compiler vectorises inside `mx.compile`: + - * /, abs, shifts, integer max and a
choice between two constants. Float `max`, `min` and `where` are not vectorised when fused: they stay outside, or become
products with a mask. Without a C++ compiler `mx.compile` runs the same operations one by one: the same results, in 1.0
to 1.6 times the time of MLX's own.

Inference only: the bit patterns of `exponential.power_bits` have no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import mlx.core as mx

from mlx_impl.device import on_gpu
from mlx_impl.exponential import NEAR, exp_times, nearest, poly, power_bits, tanh_near
from mlx_impl.linear import matmul
from mlx_impl.streams import halves

_FLOATS = (mx.float32, mx.float16, mx.bfloat16)

# Adding 1.5·2^15 leaves 8 fraction bits: (x + _ROUND_8) - _ROUND_8 is x rounded to them, for |x| < 2^14.
_ROUND_8 = 1.5 * 2**15
# Φ(-u)·e^(u²/2) = p(u)/q(u) for 0 <= u <= 14: minimax as in `exponential`, on p - q·Φ(-u)·e^(u²/2), the coefficients
# rounded to float32 one by one from the highest and the rest refitted each time. Relative error 1.2e-8. All are
# positive: nothing cancels.
_MILLS_P = (0.5, 0.436565548, 0.181927666, 0.0401848182, 0.00404750695)
_MILLS_Q = (1.0, 1.67101598, 1.19712937, 0.46601221, 0.100735337, 0.010145464)

_EXP_FLOOR = -150.0  # e^-104 rounds to 0; at -150 also 2^(n+64) is taken as 0, which is faster
_EXP_CEIL = 89.0  # e^89 > 2^128
_GELU_CEIL = 14.0  # 14·Φ(-14) = 1e-43, the last of the subnormals
_MANY_SCORES = 2**16  # from here on two streams are worth their synchronisation


def exp(x: mx.array) -> mx.array:
    """e^x, any shape and layout. NaN, inf and -inf give NaN, inf and 0; subnormal results are kept."""
    return _apply(x, lambda x: _exp(mx.clip(x, _EXP_FLOOR, _EXP_CEIL)), _native_exp)


def silu(x: mx.array) -> mx.array:
    """x·σ(x), any shape and layout. inf gives inf; -inf gives NaN, as PyTorch's does (-inf times 0)."""
    return _apply(x, _silu, _native_silu)


def sigmoid(x: mx.array) -> mx.array:
    """1/(1 + e^-x), any shape and layout. NaN, inf and -inf give NaN, 1 and 0."""
    return _apply(x, lambda x: _sigmoid_from(_exp(mx.clip(-x, _EXP_FLOOR, _EXP_CEIL))), _native_sigmoid)


def gelu(x: mx.array) -> mx.array:
    """x·Φ(x) with the exact normal distribution Φ, not its tanh approximation; any shape and layout.

    inf gives inf (NaN in PyTorch), -inf gives NaN as in PyTorch, x < -13.2 gives 0.
    """
    return _apply(x, _gelu, _native_gelu)


def mish(x: mx.array) -> mx.array:
    """x·tanh(softplus(x)), any shape and layout. inf gives inf; -inf gives NaN, as PyTorch's does."""
    return _apply(x, _mish, _native_mish)


def tanh(x: mx.array) -> mx.array:
    """tanh(x), any shape and layout. NaN, inf and -inf give NaN, 1 and -1.

    Near 0 MLX's own rounds twice as much as PyTorch's, on the CPU and with CUDA: there it is a polynomial.
    """
    return _apply(x, _tanh, _tanh)


def softmax_matmul(scores: mx.array, v: mx.array) -> mx.array:
    """Layout (B, H, T, D): softmax of `scores` (B, H, Tq, Tk) over its last axis, times `v` (B, H, Tk, D).

    Additive masks are already in `scores`. The row maximum is subtracted, so any finite score is safe; a row
    of equal scores, however negative, gives the mean of `v`. -inf gives weight 0; NaN, inf or a row of -inf
    gives a NaN row. The result (B, H, Tq, D) has the dtype of `v`. Raises ValueError for other shapes.
    """
    if scores.ndim != 4 or v.ndim != 4 or scores.shape[:2] + scores.shape[3:] != v.shape[:3]:
        raise ValueError(
            f"got scores {scores.shape} and v {v.shape}, expected (B, H, Tq, Tk) and (B, H, Tk, D): "
            "split the heads and repeat shared ones first"
        )
    if on_gpu():
        return matmul(mx.softmax(scores.astype(mx.float32), axis=-1), v.astype(mx.float32)).astype(v.dtype)
    return _by_heads(scores.size, _weighted_mean, scores, v)


def attention(q: mx.array, k: mx.array, v: mx.array, *, scale: float, bias: mx.array | None = None) -> mx.array:
    """Layout (B, H, T, D): softmax(scale·q·kᵀ + bias)·v for q (B, H, Tq, D) and k, v (B, H, Tk, D).

    `bias` is added to the scores and broadcasts to (B, H, Tq, Tk); a boolean mask is a TypeError. Scores and
    weights are float32 whatever the inputs are; the result has the dtype of `v`. Masks, infinities and NaN:
    see `softmax_matmul`. Raises ValueError for other shapes.
    """
    if q.ndim != 4 or q.shape[:2] + q.shape[3:] != k.shape[:2] + k.shape[3:] or k.shape[:3] != v.shape[:3]:
        raise ValueError(
            f"got q {q.shape}, k {k.shape} and v {v.shape}, expected (B, H, Tq, D), (B, H, Tk, D) and "
            "(B, H, Tk, D): split the heads and repeat shared ones first"
        )
    if bias is not None and bias.dtype == mx.bool_:
        raise TypeError("got a boolean bias, expected numbers to add: mx.where(mask, 0.0, -1e9) makes them")
    if on_gpu():
        if bias is None:
            return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale)
        if q.dtype == mx.float32:  # its own adds the 64 products of a score in order (`linear`)
            return softmax_matmul(matmul(q * scale, k.swapaxes(-1, -2)) + bias, v)
        if bias.dtype != q.dtype:  # a float32 mask of -1e9 must not become -inf in float16
            bias = mx.maximum(bias, mx.finfo(q.dtype).min).astype(q.dtype)
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=bias)
    shape = (*q.shape[:3], k.shape[2])
    biases = () if bias is None else (mx.broadcast_to(bias, shape),)
    return _by_heads(math.prod(shape), partial(_attention, scale), q, k, v, *biases)


def _apply(x: mx.array, cpu: Callable[[mx.array], mx.array], native: Callable[[mx.array], mx.array]) -> mx.array:
    """Run `cpu` in float32, or `native`, which does so itself, and return the dtype of `x`."""
    if x.dtype not in _FLOATS:
        raise TypeError(f"got dtype {x.dtype}, expected float32, float16 or bfloat16: cast the input first")
    if on_gpu():
        return native(x)
    return cpu(x.astype(mx.float32).reshape(-1)).reshape(x.shape).astype(x.dtype)


def _one_kernel(f: Callable[[mx.array], mx.array]) -> Callable[[mx.array], mx.array]:
    """`f` in float32, with the casts to it and back, as one kernel of a GPU, where each launch counts."""
    return mx.compile(lambda x: f(x.astype(mx.float32)).astype(x.dtype), shapeless=True)


_native_exp = _one_kernel(mx.exp)
_native_silu = _one_kernel(lambda x: x * mx.sigmoid(x))
_native_sigmoid = _one_kernel(mx.sigmoid)
_tanh = _one_kernel(lambda x: mx.where(mx.abs(x) < NEAR, tanh_near(x), mx.tanh(x)))
_native_gelu = _one_kernel(lambda x: x * (1 + mx.erf(x * math.sqrt(0.5))) / 2)
_native_mish = _one_kernel(lambda x: x * mx.tanh(mx.logaddexp(x, 0)))


# 2^n overflows at n = 128 and is subnormal below -126: it is applied as 2^(n±64) and 2^∓64.
_exp_bits = mx.compile(lambda x: power_bits(nearest(x) + mx.where(x < 0, 64.0, -64.0)))
_exp_from = mx.compile(lambda x, power: exp_times(power, x) * mx.where(x < 0, 2.0**-64, 2.0**64))


def _exp(x: mx.array) -> mx.array:
    """e^x for _EXP_FLOOR <= x <= _EXP_CEIL and for NaN."""
    flat = x.reshape(-1)
    return _exp_from(flat, _exp_bits(flat).view(mx.float32)).reshape(x.shape)


# Bits of 2^n at n = -127 are those of 0: without subnormal results one power of two is enough.
_down_bits = mx.compile(lambda x: power_bits(nearest(x)))
_down_from = mx.compile(lambda x, power: exp_times(power, x))


def _exp_down(x: mx.array) -> mx.array:
    """e^x for _EXP_FLOOR <= x <= 0 and for NaN, in three quarters of the time of `_exp`; what is below 2^-126 is 0."""
    flat = x.reshape(-1)
    return _down_from(flat, _down_bits(flat).view(mx.float32)).reshape(x.shape)


def _positive(x: mx.array) -> mx.array:
    """max(x, 0), or NaN for NaN and -inf."""
    return 0.5 * x + 0.5 * mx.abs(x)


@mx.compile
def _silu_from(x: mx.array, u: mx.array, e: mx.array) -> mx.array:
    return _positive(x) - u * e / (1 + e)


def _silu(x: mx.array) -> mx.array:
    u = mx.minimum(mx.abs(x), -_EXP_FLOOR)
    return _silu_from(x, u, _exp(-u))


@mx.compile
def _sigmoid_from(e: mx.array) -> mx.array:
    return 1 / (1 + e)


@mx.compile
def _mish_from(x: mx.array, u: mx.array, e: mx.array) -> mx.array:
    # tanh(softplus(x)) is (2e + e²)/(2 + 2e + e²) for x < 0 and 1 - 2e²/(1 + 2e + 2e²) above.
    negative = mx.where(x < 0, 1.0, 0.0)
    positive, e2 = 1 - negative, e * e
    part = negative * (2 * e + e2) + positive * (2 * e2)
    return _positive(x) - u * part / (2 * e + (negative * (2 + e2) + positive * (1 + 2 * e2)))


def _mish(x: mx.array) -> mx.array:
    u = mx.minimum(mx.abs(x), -_EXP_FLOOR)
    return _mish_from(x, u, _exp(-u))


def _top(u: mx.array) -> mx.array:
    """u rounded to 12 bits for 0 <= u < 16, so that its square is exact."""
    return (u + _ROUND_8) - _ROUND_8


_gauss_bits = mx.compile(lambda u: power_bits(nearest(_top(u) * _top(u) * -0.5)))
_gauss_from = mx.compile(
    lambda u, power: exp_times(power, _top(u) * _top(u) * -0.5, (u - _top(u)) * (u + _top(u)) * -0.5)
)


@mx.compile
def _gelu_from(x: mx.array, u: mx.array, e: mx.array) -> mx.array:
    # x·Φ(x) = max(x, 0) - |x|·Φ(-|x|): no cancellation on either side.
    return _positive(x) - u * e * (poly(_MILLS_P, u) / poly(_MILLS_Q, u))


def _gelu(x: mx.array) -> mx.array:
    u = mx.minimum(mx.abs(x), _GELU_CEIL)
    return _gelu_from(x, u, _gauss_from(u, _gauss_bits(u).view(mx.float32)))


def _weighted_mean(scores: mx.array, v: mx.array) -> mx.array:
    """softmax(scores)·v over the last two axes; the weights are normalised after the product."""
    scores, values = scores.astype(mx.float32), v.astype(mx.float32)
    shifted = scores - mx.max(scores, axis=-1, keepdims=True)
    weights = _exp_down(mx.maximum(shifted, _EXP_FLOOR))
    total = matmul(weights, mx.ones((weights.shape[-1], 1)))
    return (matmul(weights, values) / total).astype(v.dtype)


def _attention(scale: float, q: mx.array, k: mx.array, v: mx.array, bias: mx.array | None = None) -> mx.array:
    scores = matmul(q.astype(mx.float32) * scale, k.astype(mx.float32).swapaxes(-1, -2))
    return _weighted_mean(scores if bias is None else scores + bias, v)


def _by_heads(scores: int, f: Callable[..., mx.array], *arrays: mx.array) -> mx.array:
    """f(*arrays): at once where there are few scores, else half of the heads on each stream."""
    return f(*arrays) if scores < _MANY_SCORES else halves(f, *arrays, axis=1)
