"""Elementwise functions, on any layout and shape, at float32 rounding level.

On a GPU these are MLX's own operations, but for tanh, which is one kernel on any device. On the CPU, MLX runs `exp`,
`erf` and `tanh` one element at a time, and its `exp` is off by up to 29 ulp for |x| <= 30. There they are replaced by
polynomials made of operations that a compiler vectorises inside `mx.compile`: + - * /, abs, shifts, &, integer min and
max, and a choice between two constants. Float `max`, `min` and `where` are not vectorised when fused: they stay
outside, or become products with a mask. Without a C++ compiler `mx.compile` runs the same operations one by one: the
same results, in 1.0 to 1.6 times the time of MLX's own.

Inference only: the bit patterns of `exponential.power_bits` have no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx
import numpy as np

from mlx_impl.ops.cpu.exponential import NEAR, exp_times, nearest, poly, power_bits, tanh_near
from mlx_impl.ops.cpu.streams import halves
from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.precision import in_double

_FLOATS = (mx.float32, mx.float16, mx.bfloat16)

# Adding 1.5·2^15 leaves 8 fraction bits: (x + _ROUND_8) - _ROUND_8 is x rounded to them, for |x| < 2^14.
_ROUND_8 = 1.5 * 2**15
# Φ(-u)·e^(u²/2) = p(u)/q(u) for 0 <= u <= 14: minimax as in `exponential`, on p - q·Φ(-u)·e^(u²/2), the coefficients
# rounded to float32 one by one from the highest and the rest refitted each time. Relative error 1.2e-8. All are
# positive: nothing cancels.
_MILLS_P = (0.5, 0.436565548, 0.181927666, 0.0401848182, 0.00404750695)
_MILLS_Q = (1.0, 1.67101598, 1.19712937, 0.46601221, 0.100735337, 0.010145464)

_MANY = 2**17  # values from which on two streams are worth their synchronisation
_EXP_FLOOR = -150.0  # e^-104 rounds to 0; at -150 also 2^(n+64) is taken as 0, which is faster
_EXP_CEIL = 89.0  # e^89 > 2^128
_GELU_CEIL = 14.0  # 14·Φ(-14) = 1e-43, the last of the subnormals


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
    return _apply(x, _tanh, _native_tanh if in_double() else _tanh)


def _apply(x: mx.array, cpu: Callable[[mx.array], mx.array], native: Callable[[mx.array], mx.array]) -> mx.array:
    """Run `cpu` in float32, or `native`, which does so itself, and return the dtype of `x`."""
    if x.dtype not in _FLOATS:
        raise TypeError(f"got dtype {x.dtype}, expected float32, float16 or bfloat16: cast the input first")
    if on_gpu():
        return native(x)
    flat = x.astype(mx.float32).reshape(-1)
    y = cpu(flat) if x.size < _MANY else halves(cpu, flat)
    return y.reshape(x.shape).astype(x.dtype)


def _one_kernel(f: Callable[[mx.array], mx.array]) -> Callable[[mx.array], mx.array]:
    """`f` in float32, with the casts to it and back, as one kernel of a GPU, where each launch counts."""
    return mx.compile(lambda x: f(x.astype(mx.float32)).astype(x.dtype), shapeless=True)


_native_exp = _one_kernel(mx.exp)
_native_silu = _one_kernel(lambda x: x * mx.sigmoid(x))
_native_sigmoid = _one_kernel(mx.sigmoid)
_native_tanh = _one_kernel(mx.tanh)
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


def _magnitude(limit: float) -> Callable[[mx.array], mx.array]:
    """A function for min(|x|, limit), and limit for NaN: without the sign a float's bits are ordered as it is."""
    bits = int(np.float32(limit).view(np.int32))
    limited = mx.compile(lambda x: mx.minimum(x & 0x7FFFFFFF, bits))
    return lambda x: limited(x.view(mx.int32)).view(mx.float32)


_up_to_150, _up_to_14 = _magnitude(-_EXP_FLOOR), _magnitude(_GELU_CEIL)


def _positive(x: mx.array) -> mx.array:
    """max(x, 0), or NaN for NaN and -inf."""
    return 0.5 * x + 0.5 * mx.abs(x)


@mx.compile
def _silu_from(x: mx.array, u: mx.array, e: mx.array) -> mx.array:
    return _positive(x) - u * e / (1 + e)


def _silu(x: mx.array) -> mx.array:
    u = _up_to_150(x)
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
    u = _up_to_150(x)
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
    u = _up_to_14(x)
    return _gelu_from(x, u, _gauss_from(u, _gauss_bits(u).view(mx.float32)))
