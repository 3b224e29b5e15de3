"""e^x, 2^x and e^x - 1, and what they are made of: range reduction, polynomials and powers of two for `mx.compile`.

All operations are such that a compiler vectorises them on MLX's CPU. Each function takes two kernels: one for the bits
of a power of two, one for what is multiplied by it. `view`, which makes a float of the bits, is not fused.
Double has no such bits: in a run in double the functions are MLX's own.
"""

from __future__ import annotations

import math

import mlx.core as mx

from mlx_impl.ops.precision import in_double

LOG2E = 1 / math.log(2)
_EXP_FLOOR = -150.0  # e^-104 rounds to 0
# Cody-Waite: n·355/512 is exact for |n| < 2^15, so x - n·ln 2 loses nothing but the rounding of n·_LN2_LO.
_LN2_HI = 355 / 512
_LN2_LO = math.log(2) - _LN2_HI
_ROUND = 1.5 * 2**23  # adding it leaves no fraction bits
# (e^r - 1 - r)/r² for |r| <= ln(2)/2, lowest power first: minimax, by iteratively reweighted least squares
# (Lawson) at 4001 Chebyshev points, weighted for the relative error of e^r: 3.8e-9, or 0.06 of a rounding.
_EXP = (0.49999994, 0.166665211, 0.041668389, 0.00836871658, 0.00138145988)
# (2^f - 1)/f for |f| <= 1/2: the same method, the coefficients rounded to float32 one by one from the highest and the
# rest refitted each time. Relative error of 2^f: 2.3e-9.
_EXP2 = (0.693147182, 0.240226507, 0.0555041023, 0.00961803831, 0.00133339351, 0.000154667563, 1.51961567e-05)


def poly(coefficients: tuple[float, ...], x: mx.array) -> mx.array:
    """Σ c[i]·xⁱ by Estrin's scheme, which is shallower than Horner's."""
    c = list(coefficients)
    while len(c) > 1:
        c = [c[i] + c[i + 1] * x if i + 1 < len(c) else c[i] for i in range(0, len(c), 2)]
        x = x * x
    return c[0]


def rounded(x: mx.array) -> mx.array:
    """`x` rounded to an integer, for |x| < 2^22."""
    return (x + _ROUND) - _ROUND


def nearest(x: mx.array) -> mx.array:
    """The integer n, as a float, for which |x - n·ln 2| <= ln(2)/2."""
    return rounded(x * LOG2E)


def power_bits(n: mx.array, lowest: int = -127, highest: int | None = None) -> mx.array:
    """The bits of 2^n in float32 for n <= 127, of 0 for n = -127. n is limited to `lowest` and `highest`."""
    n = mx.maximum(n.astype(mx.int32), lowest)
    return ((n if highest is None else mx.minimum(n, highest)) + 127) << 23


def exp_times(power: mx.array, x: mx.array, correction: mx.array | None = None) -> mx.array:
    """power·e^(x + correction - n·ln 2), with n from `nearest` and a power of two: within 0.75 ulp.

    What the additions r = a - b and 1 + r round off is kept and added to the small terms. `mx.compile` fuses
    operations at most 11 deep, counted along the last use of a value: so 1 + r comes last, each term is
    multiplied by `power` by itself (exactly), and the polynomial is not in Horner's form.
    """
    r, lost = _reduced(x, correction)
    one = 1 + r
    small = (r * r) * poly(_EXP, r) + ((r - (one - 1)) + lost)
    return small * power + one * power


def exp2_times(power: mx.array, x: mx.array) -> mx.array:
    """power·2^(x - n), with n = `rounded(x)` and a power of two: within 1.5 ulp; 0 where that is 0, for any finite x.

    `rounded` is off by up to 2^23 for |x| near 2^46: times `power` first, or the polynomial would
    overflow, and 0 times inf is NaN.
    """
    f = x - rounded(x)
    return (f * power) * poly(_EXP2, f) + power


def expm1_times(power: mx.array, x: mx.array) -> mx.array:
    """power·e^(x - n·ln 2) - 1, with n from `nearest` and 2^n: within 1.3 ulp, near 0 too. Fused as `exp_times` is.

    The result is the sum of `whole` and `part`, and a correction holds what that sum rounds off. The two are added in
    one order for the sum and in the other for the correction. In one order `mx.compile` would take both for one value,
    which would lie too deep to be fused.
    """
    r, lost = _reduced(x)
    whole, part = power - 1, r * power
    small = (r * r) * poly(_EXP, r) + lost
    return (small * power + (part - ((part + whole) - whole))) + (whole + part)


def _reduced(x: mx.array, correction: mx.array | None = None) -> tuple[mx.array, mx.array]:
    """r = x + correction - n·ln 2, with n from `nearest`, and what it was rounded by."""
    n = nearest(x)
    a, b = x - n * _LN2_HI, n * _LN2_LO
    b = b if correction is None else b - correction
    r = a - b
    return r, (a - r) - b


# Bits of 2^n at n = -127 are those of 0: what is below 2^-126 is 0, and one power of two is enough.
_exp_bits = mx.compile(lambda x: power_bits(nearest(x)))
_exp_from = mx.compile(lambda x, power: exp_times(power, x))
_exp2_bits = mx.compile(lambda x: power_bits(rounded(x)))
_exp2_from = mx.compile(lambda x, power: exp2_times(power, x))
# Between 2^-126 and 2^127, so that e^y is finite and not 0; beyond 87 either way it is some number of 1e-38 or 1e38.
_expm1_bits = mx.compile(lambda y: power_bits(nearest(y), -126, 127))
_expm1_from = mx.compile(lambda y, power: expm1_times(power, y))
_bits_of_twice = mx.compile(lambda x: power_bits(nearest(2 * x), -126, 127))
_expm1_of_twice = mx.compile(lambda x, power: expm1_times(power, 2 * x))


def exp_below_0(x: mx.array) -> mx.array:
    """e^x for x <= 0 and for NaN."""
    if in_double():
        return mx.exp(x)
    flat = mx.maximum(x, _EXP_FLOOR).reshape(-1)
    return _exp_from(flat, _exp_bits(flat).view(mx.float32)).reshape(x.shape)


def exp2_below_0(x: mx.array) -> mx.array:
    """2^x for finite x <= 0 and for NaN."""
    if in_double():
        return mx.power(2.0, x)
    flat = x.reshape(-1)
    return _exp2_from(flat, _exp2_bits(flat).view(mx.float32)).reshape(x.shape)


def expm1(y: mx.array) -> mx.array:
    """e^y - 1, finite and never -1 in float32."""
    return mx.expm1(y) if in_double() else _expm1_from(y, _expm1_bits(y).view(mx.float32))


def expm1_of_twice(x: mx.array) -> mx.array:
    """e^2x - 1, as `expm1`, without a pass over the values for the factor."""
    return mx.expm1(2 * x) if in_double() else _expm1_of_twice(x, _bits_of_twice(x).view(mx.float32))
