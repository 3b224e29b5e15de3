"""Elementwise functions of float32 on a CPU, whose polynomials a compiler vectorises inside `mx.compile`.

On the CPU, MLX runs `exp`, `erf` and `tanh` one element at a time, and its `exp` is off by up to 29 ulp for |x| <= 30.
Vectorised are + - * /, abs, shifts, &, integer min and max, and a choice between two constants. Float `max`, `min` and
`where` are not vectorised when fused: they stay outside, or become products with a mask. Without a C++ compiler
`mx.compile` runs the same operations one by one: the same results, in 1.0 to 1.6 times the time of MLX's own.

Inference only: the bit patterns of `exponential.power_bits` have no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx
import numpy as np

from mlx_impl.ops.cpu.exponential import exp_times, nearest, poly, power_bits, rounded

# Adding 1.5·2^15 leaves 8 fraction bits: (x + _ROUND_8) - _ROUND_8 is x rounded to them, for |x| < 2^14.
_ROUND_8 = 1.5 * 2**15
# Φ(-u)·e^(u²/2) = p(u)/q(u) for 0 <= u <= 14: minimax as in `exponential`, on p - q·Φ(-u)·e^(u²/2), the coefficients
# rounded to float32 one by one from the highest and the rest refitted each time. Relative error 1.2e-8. All are
# positive: nothing cancels.
_MILLS_P = (0.5, 0.436565548, 0.181927666, 0.0401848182, 0.00404750695)
_MILLS_Q = (1.0, 1.67101598, 1.19712937, 0.46601221, 0.100735337, 0.010145464)
# (sin(r)^2 - r^2) / r^4 for |r| <= pi / 2, of r^2, lowest power first: minimax (Lawson's iteration at 4001 Chebyshev
# points), each coefficient rounded to float32 and those of higher powers refitted. Relative error of sin^2: 8e-10.
_SINE_SQUARED = (-0.33333334, 0.044444486, -0.0031746542, 0.0001411066, -4.262264e-06, 8.505306e-08)
# pi in three parts; multiples of the first two are exact up to 2**12.
_PI = (3.140625, 9.67502593994e-04, 1.50995798e-07)

# Of x and of x^3 in twice the argument of the tanh.
_GELU_NEW = (2 * math.sqrt(2 / math.pi), 2 * math.sqrt(2 / math.pi) * 0.044715)

_EXP_FLOOR = -150.0  # e^-104 rounds to 0; at -150 also 2^(n+64) is taken as 0, which is faster
_EXP_CEIL = 89.0  # e^89 > 2^128
_GELU_CEIL = 14.0  # 14·Φ(-14) = 1e-43, the last of the subnormals


# 2^n overflows at n = 128 and is subnormal below -126: it is applied as 2^(n±64) and 2^∓64.
_exp_bits = mx.compile(lambda x: power_bits(nearest(x) + mx.where(x < 0, 64.0, -64.0)))
_exp_from = mx.compile(lambda x, power: exp_times(power, x) * mx.where(x < 0, 2.0**-64, 2.0**64))


def _exp(x: mx.array) -> mx.array:
    """e^x for _EXP_FLOOR <= x <= _EXP_CEIL and for NaN."""
    flat = x.reshape(-1)
    return _exp_from(flat, _exp_bits(flat).view(mx.float32)).reshape(x.shape)


def exp(x: mx.array) -> mx.array:
    return _exp(mx.clip(x, _EXP_FLOOR, _EXP_CEIL))


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


def silu(x: mx.array) -> mx.array:
    u = _up_to_150(x)
    return _silu_from(x, u, _exp(-u))


@mx.compile
def _sigmoid_from(e: mx.array) -> mx.array:
    return 1 / (1 + e)


def sigmoid(x: mx.array) -> mx.array:
    return _sigmoid_from(exp(-x))


def twice_gelu_new(x: mx.array) -> mx.array:
    """2·√(2/π)·(x + 0.044715 x³)."""
    return x * (_GELU_NEW[0] + _GELU_NEW[1] * (x * x))


def gelu_new(x: mx.array) -> mx.array:
    return x * sigmoid(twice_gelu_new(x))


@mx.compile
def _mish_from(x: mx.array, u: mx.array, e: mx.array) -> mx.array:
    # tanh(softplus(x)) is (2e + e²)/(2 + 2e + e²) for x < 0 and 1 - 2e²/(1 + 2e + 2e²) above.
    negative = mx.where(x < 0, 1.0, 0.0)
    positive, e2 = 1 - negative, e * e
    part = negative * (2 * e + e2) + positive * (2 * e2)
    return _positive(x) - u * part / (2 * e + (negative * (2 + e2) + positive * (1 + 2 * e2)))


def mish(x: mx.array) -> mx.array:
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


def gelu(x: mx.array) -> mx.array:
    u = _up_to_14(x)
    return _gelu_from(x, u, _gauss_from(u, _gauss_bits(u).view(mx.float32)))


def snake(x: mx.array, alpha: mx.array) -> mx.array:
    """x + sin(alpha x)²/alpha: two kernels, as `mx.compile` fuses operations at most 11 deep, and two plain operations.

    Those are not part of the second one: it overwrites its input, and with a channel's factor would not be vectorised.
    """
    return x + 1.0 / (alpha + 1e-9) * _from_square(_reduced_square(x, alpha))


@mx.compile
def _reduced_square(x: mx.array, alpha: mx.array) -> mx.array:
    """The square of alpha x less the nearest multiple of pi."""
    x = x * alpha
    n = rounded(x * (1 / math.pi))
    r = ((x - n * _PI[0]) - n * _PI[1]) - n * _PI[2]
    return r * r


@mx.compile
def _from_square(q: mx.array) -> mx.array:
    """sin(r)^2 of q = r^2."""
    c, square = _SINE_SQUARED, q * q
    return q + square * (c[0] + c[1] * q + square * (c[2] + c[3] * q + square * (c[4] + c[5] * q)))
