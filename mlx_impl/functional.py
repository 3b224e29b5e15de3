"""Elementwise and attention functions, on any layout and shape, at float32 rounding level.

MLX's own ``exp``, ``erf`` and ``tanh`` are used on a GPU. On the CPU they run one element at a time, and
``exp`` is wrong by up to 14 ulp, so there they are replaced by polynomials built from operations that a C++
compiler vectorises (add, multiply, divide, abs, shift) inside ``mx.compile``. ``max``, ``min`` and a ``where``
with computed branches are not vectorised when fused: they stay outside, or become products with a constant
mask. Without a C++ compiler ``mx.compile`` runs the same operations one by one: same results, slower.

Inference only: the bit patterns of ``_exp_nonpositive`` have no gradient.
"""

import math
from collections.abc import Callable
from functools import partial

import mlx.core as mx

_fused = partial(mx.compile, shapeless=True)
_FLOATS = (mx.float32, mx.float16, mx.bfloat16)

_LOG2E = 1 / math.log(2)
# Cody-Waite: n·355/512 is exact for |n| < 2^15, so x - n·ln 2 loses nothing but the rounding of n·_LN2_LO.
_LN2_HI = 355 / 512
_LN2_LO = math.log(2) - _LN2_HI
# Adding 1.5·2^23 leaves no fraction bits: (x + _ROUND) - _ROUND is x rounded to an integer, for |x| < 2^22.
_ROUND = 1.5 * 2**23
# The same with 8 fraction bits left, for |x| < 2^14.
_ROUND_8 = 1.5 * 2**15
# (e^r - 1 - r) / r² for |r| <= ln(2)/2, lowest power first: minimax by iteratively reweighted least squares
# (Lawson) at 4001 Chebyshev points, weighted so that the relative error of e^r is 3.1e-9 = 0.05 · 2^-24.
_EXP = (0.49999993, 0.16666521, 0.04166839, 0.00836872, 0.00138146)
# Φ(-u)·e^(u²/2) = p(u)/q(u) for 0 <= u <= 14, the same method on p - R·q; relative error 5.5e-9. All
# coefficients are positive, so neither polynomial cancels and each is as accurate as its last addition.
_MILLS_P = (0.5, 0.43725203, 0.18246267, 0.04037284, 0.00407765)
_MILLS_Q = (1.0, 1.67238901, 1.1992942, 0.46743133, 0.10120652, 0.01022103)

_EXP_FLOOR = -104.0  # e^-104 < 2^-150, half the smallest float32: everything below is 0
_EXP_CEIL = 89.0  # e^89 > 2^128
_GELU_CEIL = 14.0  # 14·Φ(-14) = 1e-43, the last of the subnormals
_BLOCK = 2**18  # scores per block: 1 MiB


def exp(x: mx.array) -> mx.array:
    """e^x, any shape and layout. NaN, inf and -inf give NaN, inf and 0; subnormal results are kept."""
    return _apply(x, _exp, mx.exp)


def silu(x: mx.array) -> mx.array:
    """x·σ(x), any shape and layout. inf gives inf; -inf gives NaN, as PyTorch's does (-inf times 0)."""
    return _apply(x, _silu, lambda x: x * mx.sigmoid(x))


def gelu(x: mx.array) -> mx.array:
    """x·Φ(x) with the exact normal distribution Φ, not its tanh approximation; any shape and layout.

    inf gives inf (NaN in PyTorch), -inf gives NaN as in PyTorch, x < -13.2 gives 0.
    """
    return _apply(x, _gelu, lambda x: x * (1 + mx.erf(x * math.sqrt(0.5))) / 2)


def mish(x: mx.array) -> mx.array:
    """x·tanh(softplus(x)), any shape and layout. inf gives inf; -inf gives NaN, as PyTorch's does."""
    return _apply(x, _mish, lambda x: x * mx.tanh(mx.logaddexp(x, 0)))


def softmax_matmul(scores: mx.array, v: mx.array) -> mx.array:
    """Layout (B, H, T, D): softmax of ``scores`` (B, H, Tq, Tk) over its last axis, times ``v`` (B, H, Tk, D).

    Additive masks are already in ``scores``. The row maximum is subtracted, so any finite score is safe; a row
    of equal scores, however negative, gives the mean of ``v``. -inf gives weight 0; NaN, inf or a row of -inf
    gives a NaN row. The result (B, H, Tq, D) has the dtype of ``v``.

    On the CPU the weights are normalised after the product, in blocks of ``_BLOCK`` scores: temporaries of
    1 MiB come from memory that is already mapped, larger ones are faulted in page by page on every call.
    """
    if scores.ndim != 4 or v.ndim != 4 or scores.shape[:2] + scores.shape[3:] != v.shape[:3]:
        raise ValueError(
            f"softmax_matmul got scores {scores.shape} and v {v.shape}; expected (B, H, Tq, Tk) and (B, H, Tk, D)"
        )
    if not _on_cpu():
        return (mx.softmax(scores.astype(mx.float32), axis=-1) @ v.astype(mx.float32)).astype(v.dtype)
    b, h, tq, tk = scores.shape
    s, values = scores.reshape(b * h, tq, tk), v.reshape(b * h, tk, -1)
    rows = min(tq, max(1, _BLOCK // tk))  # of one head
    heads = max(1, _BLOCK // (tq * tk))
    blocks = [
        mx.concatenate(
            [_softmax_block(s[i : i + heads, j : j + rows], values[i : i + heads]) for j in range(0, tq, rows)], axis=1
        )
        for i in range(0, b * h, heads)
    ]
    return mx.concatenate(blocks).reshape(b, h, tq, -1)


def attention(q: mx.array, k: mx.array, v: mx.array, *, scale: float, bias: mx.array | None = None) -> mx.array:
    """Layout (B, H, T, D): softmax(scale·q·kᵀ + bias)·v, with q (B, H, Tq, D) and k, v (B, H, Tk, D).

    ``bias`` is added to the scores and broadcasts to (B, H, Tq, Tk). The result has the dtype of ``v``.
    """
    if _on_cpu():
        scores = (q.astype(mx.float32) * scale) @ k.astype(mx.float32).swapaxes(-1, -2)
        return softmax_matmul(scores if bias is None else scores + bias, v)
    if bias is not None:  # a float32 mask of -1e9 must not become -inf in float16
        bias = mx.maximum(bias, mx.finfo(q.dtype).min).astype(q.dtype)
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=bias)


def _on_cpu() -> bool:
    return mx.default_device().type == mx.DeviceType.cpu


def _apply(x: mx.array, cpu: Callable[[mx.array], mx.array], native: Callable[[mx.array], mx.array]) -> mx.array:
    """Run ``cpu`` or ``native`` in float32 and return the dtype of ``x``."""
    if x.dtype not in _FLOATS:
        raise TypeError(f"got dtype {x.dtype}, expected float32, float16 or bfloat16: cast the input first")
    # Fused loops over strided inputs are not vectorised.
    y = cpu(mx.contiguous(x.astype(mx.float32), allow_col_major=True)) if _on_cpu() else native(x.astype(mx.float32))
    return y.astype(x.dtype)


def _poly(coefficients: tuple[float, ...], x: mx.array) -> mx.array:
    """Σ c[i]·xⁱ by Estrin's scheme: ``mx.compile`` fuses at most 11 operations deep, too few for Horner's."""
    c = list(coefficients)
    while len(c) > 1:
        c = [c[i] + c[i + 1] * x if i + 1 < len(c) else c[i] for i in range(0, len(c), 2)]
        x = x * x
    return c[0]


def _positive(x: mx.array) -> mx.array:
    """max(x, 0), exactly."""
    return 0.5 * x + 0.5 * mx.abs(x)


def _reduce(x: mx.array) -> tuple[mx.array, mx.array]:
    """x = n·ln 2 + r with integer n, |r| <= ln(2)/2: n and r."""
    n = (x * _LOG2E + _ROUND) - _ROUND
    return n, (x - n * _LN2_HI) - n * _LN2_LO


def _power_bits(n: mx.array) -> mx.array:
    """The bits of 2^n in float32 for -127 <= n <= 127, where 2^-127 is taken as 0."""
    return (n + 127) << 23


@_fused
def _reduce_nonpositive(x: mx.array) -> tuple[mx.array, mx.array]:
    n, r = _reduce(x)
    return r, _power_bits(mx.maximum(n.astype(mx.int32), -127))


@_fused
def _reduce_wide(x: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    n, r = _reduce(x)
    n = n.astype(mx.int32)
    half = n >> 1  # 2^n itself overflows at n = 128 and underflows below -126
    return r, _power_bits(half), _power_bits(n - half)


@_fused
def _reduce_gaussian(u: mx.array) -> tuple[mx.array, mx.array]:
    """As ``_reduce_nonpositive`` for x = -u²/2, 0 <= u <= 14, without the rounding of u²."""
    top = (u + _ROUND_8) - _ROUND_8  # 12 bits: its square is exact
    n, r = _reduce(-0.5 * (top * top))
    return r - 0.5 * ((u - top) * (u + top)), _power_bits(mx.maximum(n.astype(mx.int32), -127))


@_fused
def _expand(r: mx.array, power: mx.array) -> mx.array:
    return (1 + (r + (r * r) * _poly(_EXP, r))) * power


@_fused
def _expand_wide(r: mx.array, power: mx.array, rest: mx.array) -> mx.array:
    return (1 + (r + (r * r) * _poly(_EXP, r))) * power * rest


def _exp_nonpositive(x: mx.array) -> mx.array:
    """e^x for -104 <= x <= 0; 0 where the result would be subnormal."""
    r, bits = _reduce_nonpositive(x)
    return _expand(r, bits.view(mx.float32))


def _exp(x: mx.array) -> mx.array:
    r, power, rest = _reduce_wide(mx.clip(x, _EXP_FLOOR, _EXP_CEIL))
    return _expand_wide(r, power.view(mx.float32), rest.view(mx.float32))


@_fused
def _silu_from(x: mx.array, e: mx.array) -> mx.array:
    return _positive(x) - mx.abs(x) * e / (1 + e)


def _silu(x: mx.array) -> mx.array:
    return _silu_from(x, _exp_nonpositive(mx.maximum(-mx.abs(x), _EXP_FLOOR)))


@_fused
def _mish_from(x: mx.array, e: mx.array) -> mx.array:
    # tanh(softplus(x)) is (2e + e²)/(2 + 2e + e²) for x < 0 and 1 - 2e²/(1 + 2e + 2e²) above.
    negative = mx.where(x < 0, 1.0, 0.0)
    positive, e2 = 1 - negative, e * e
    part = negative * (2 * e + e2) - positive * (2 * e2)
    return _positive(x) + x * part / (2 * e + (negative * (2 + e2) + positive * (1 + 2 * e2)))


def _mish(x: mx.array) -> mx.array:
    return _mish_from(x, _exp_nonpositive(mx.maximum(-mx.abs(x), _EXP_FLOOR)))


@_fused
def _gelu_from(x: mx.array, u: mx.array, e: mx.array) -> mx.array:
    # x·Φ(x) = max(x, 0) - |x|·Φ(-|x|): no cancellation on either side.
    return _positive(x) - u * e * (_poly(_MILLS_P, u) / _poly(_MILLS_Q, u))


def _gelu(x: mx.array) -> mx.array:
    u = mx.minimum(mx.abs(x), _GELU_CEIL)
    r, bits = _reduce_gaussian(u)
    return _gelu_from(x, u, _expand(r, bits.view(mx.float32)))


def _softmax_block(scores: mx.array, v: mx.array) -> mx.array:
    scores, values = scores.astype(mx.float32), v.astype(mx.float32)
    shifted = scores - mx.max(scores, axis=-1, keepdims=True)
    weights = _exp_nonpositive(mx.maximum(shifted, _EXP_FLOOR))
    total = weights @ mx.ones((weights.shape[-1], 1))
    return ((weights @ values) / total).astype(v.dtype)
