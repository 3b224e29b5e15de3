"""What an LSTM does with its gates, at float32 rounding level: five sigmoids and tanhs in few calls.

A step's gates are few, and on MLX's CPU a call costs about as much as what it computes. So all gates get e^-x at once,
of which both functions are made: σ(x) = 1/(1 + e^-x) and tanh(x) = (e^x - e^-x)/(e^x + e^-x), near 0 a polynomial. The
kernels are such as a compiler vectorises (see `functional`), which takes contiguous arrays: hence gates before rows.
"""

from __future__ import annotations

import mlx.core as mx

from mlx_impl.device import on_gpu
from mlx_impl.exponential import NEAR, exp_times, nearest, power_bits, tanh_near


def step(gates: mx.array, cell: mx.array) -> tuple[mx.array, mx.array]:
    """Gates `(4, P, c)`, in the order input, forget, cell, output, and cell `(1, P, c)` -> hidden and cell `(1, P, c)`.

    A sigmoid is within 2.5 ulp, a tanh within 3, for gates of less than 2^21; a sigmoid below 1e-38 may be any number
    below it. Larger gates and infinities may give NaN or, from 1.4e9 on, the wrong side; NaN gives NaN. On a GPU and in
    half precision the functions are MLX's own. Raises ValueError for other shapes.
    """
    if cell.shape != (1, *gates.shape[1:]) or len(gates) != 4:
        raise ValueError(f"got gates {gates.shape} and cell {cell.shape}, expected (4, P, c) and (1, P, c)")
    if gates.dtype != mx.float32 or on_gpu():
        return _native_step(gates, cell)
    enter_exp, forget_exp, new_exp, leave_exp = mx.split(_exp_minus(gates), 4)
    cell = _next_cell(enter_exp, forget_exp, _tanh(gates[2:3], new_exp), cell)
    return _gated(leave_exp, _tanh(cell, _exp_minus(cell))), cell


@mx.compile
def _native_step(gates: mx.array, cell: mx.array) -> tuple[mx.array, mx.array]:
    enter, forget, new, leave = mx.split(gates, 4)
    cell = mx.sigmoid(forget) * cell + mx.sigmoid(enter) * mx.tanh(new)
    return mx.sigmoid(leave) * mx.tanh(cell), cell


# Between 2^-126 and 2^127, so that 1/e^-x is finite too.
_exp_minus_bits = mx.compile(lambda x: power_bits(nearest(-x), -126, 127))
_exp_minus_from = mx.compile(lambda x, power: exp_times(power, -x))


def _exp_minus(x: mx.array) -> mx.array:
    """e^-x; beyond 87 either way some number of 1e-38 or 1e38."""
    return _exp_minus_from(x, _exp_minus_bits(x).view(mx.float32))


@mx.compile
def _tanh(x: mx.array, exp_minus: mx.array) -> mx.array:
    # Beyond NEAR the difference of e^x and e^-x is larger by enough than what either was rounded by. With one mask for
    # both sides, or a sign, the compiler no longer vectorises it.
    above, below = mx.where(x > NEAR, 1.0, 0.0), mx.where(x < -NEAR, 1.0, 0.0)
    far, exp = above + below, 1 / exp_minus
    return tanh_near((1 - far) * x) + far * ((exp - exp_minus) / (exp + exp_minus))


@mx.compile
def _next_cell(enter_exp: mx.array, forget_exp: mx.array, new: mx.array, cell: mx.array) -> mx.array:
    return cell / (1 + forget_exp) + new / (1 + enter_exp)


@mx.compile
def _gated(leave_exp: mx.array, value: mx.array) -> mx.array:
    return value / (1 + leave_exp)
