"""A layer of an LSTM, whose five sigmoids and tanhs take few calls, at float32 rounding level.

A step's gates are few, and on MLX's CPU a call costs about as much as what it computes. All gates therefore get e^y - 1
at once, of which both functions are made: σ(x) = 1/(2 + (e^-x - 1)) and tanh(x) = (e^2x - 1)/(2 + (e^2x - 1)). e^y - 1
is exact near 0 too, and tanh needs no other formula there. The kernels are such as a compiler vectorises (see
`cpu/activations.py`), which takes contiguous arrays: hence gates before rows.
"""

from __future__ import annotations

import mlx.core as mx

from mlx_impl.ops.cpu.exponential import expm1, expm1_of_twice
from mlx_impl.ops.cpu.threads import one_thread
from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.linear import addmm, matmul

STEPS_AT_ONCE = 2  # that a CPU begins with while the next are still being built

_SCALES = (-1.0, -1.0, 2.0, -1.0)  # y is of input, forget, cell and output gate


def lstm(x: mx.array, weight_ih: mx.array, weight_hh: mx.array, bias: mx.array) -> mx.array:
    """`p t c` -> `p t c`. One layer; gates `(4 c, ...)` in the order input, forget, cell, output.

    A step's product is so small that one thread takes less time for it than two.
    """
    windows, frames, width_in = x.shape
    width = weight_hh.shape[1]
    rows = x.swapaxes(0, 1).reshape(1, frames * windows, width_in)
    weight_ih, weight_hh, bias = map(scaled, (weight_ih, weight_hh, bias))
    inputs = matmul(rows, weight_ih.swapaxes(1, 2)).reshape(4, frames, windows, width)
    inputs = inputs.swapaxes(0, 1) + bias[:, None]  # (T, 4, P, c): what a step is given lies in one piece
    inputs = inputs.reshape(frames * 4, windows, width)
    weight_hh = weight_hh.swapaxes(1, 2)
    hidden = cell = mx.zeros((1, windows, width), dtype=x.dtype)
    outputs = []
    mx.eval(inputs, weight_hh)
    with one_thread():
        for frame, given in enumerate(mx.split(inputs, frames)):
            hidden, cell = step(addmm(given, hidden, weight_hh), cell)
            outputs.append(hidden)
            if begins_here(frame):
                mx.async_eval(hidden)
        x = mx.concatenate(outputs)
        mx.eval(x)
    return x.swapaxes(0, 1)


def begins_here(frame: int) -> bool:
    """Whether the device begins with what there is, while the host builds what comes next."""
    return frame % STEPS_AT_ONCE == 0 and not on_gpu()


def native(gates: mx.array) -> bool:
    """Whether a step's functions are MLX's own."""
    return gates.dtype != mx.float32 or on_gpu()


def scaled(weight: mx.array) -> mx.array:
    """Weight or bias `(4 c, ...)` of the gates -> `(4, c, ...)`, for gates as `step` takes them. Nothing is rounded."""
    scales = mx.array(_SCALES, dtype=weight.dtype).reshape(4, *[1] * weight.ndim)
    return weight.reshape(4, -1, *weight.shape[1:]) * scales


def step(gates: mx.array, cell: mx.array) -> tuple[mx.array, mx.array]:
    """Gates `(4, P, c)`, made with weights that are `scaled`, and cell `(1, P, c)` -> hidden and cell `(1, P, c)`.

    The gates are in the order input, forget, cell, output. A sigmoid and a tanh are within 3 ulp, for gates of less
    than 2^20; a sigmoid below 1e-38 may be any number below it. Larger gates and infinities may give NaN or, from 7e8
    on, the wrong side; NaN gives NaN. In double gates are below 700. On a GPU and in half precision the functions are
    MLX's own. Raises ValueError for other shapes.
    """
    if cell.shape != (1, *gates.shape[1:]) or len(gates) != 4:
        raise ValueError(f"got gates {gates.shape} and cell {cell.shape}, expected (4, P, c) and (1, P, c)")
    if native(gates):
        return _native_step(gates, cell)
    enter, forget, new, leave = mx.split(expm1(gates), 4)
    cell = _next_cell(enter, forget, new, cell)
    return _gated(leave, expm1_of_twice(cell)), cell


@mx.compile
def _native_step(gates: mx.array, cell: mx.array) -> tuple[mx.array, mx.array]:
    enter, forget, new, leave = mx.split(gates, 4)
    cell = mx.sigmoid(-forget) * cell + mx.sigmoid(-enter) * mx.tanh(new / 2)
    return mx.sigmoid(-leave) * mx.tanh(cell), cell


# With the bits that are next as a second result, or joined with the kernel before it, it would not be vectorised.
@mx.compile
def _next_cell(enter: mx.array, forget: mx.array, new: mx.array, cell: mx.array) -> mx.array:
    return cell / (2 + forget) + new / (2 + new) / (2 + enter)


@mx.compile
def _gated(leave: mx.array, value: mx.array) -> mx.array:
    total = 2 + value
    lost = (2 - total) + value  # to rounding, where it is most
    ratio = value / total
    return (ratio - ratio * (lost / total)) / (2 + leave)
