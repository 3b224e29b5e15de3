"""Elementwise functions, on any layout and shape, at float32 rounding level.

On a GPU, and in double, these are MLX's own operations, each one kernel; on a CPU they are those of
`cpu/activations.py`, whose polynomials are as long as float32 needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import mlx.core as mx

from mlx_impl.ops.cpu import activations as cpu
from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.launched import called
from mlx_impl.ops.parallel import halves
from mlx_impl.ops.precision import in_double

_FLOATS = (mx.float32, mx.float16, mx.bfloat16)

_MANY = 2**17  # values from which on two streams are worth it


def exp(x: mx.array) -> mx.array:
    """e^x, any shape and layout. NaN, inf and -inf give NaN, inf and 0; subnormal results are kept."""
    return _apply(x, cpu.exp, _native_exp)


def silu(x: mx.array) -> mx.array:
    """x·σ(x), any shape and layout. inf gives inf; -inf gives NaN, as PyTorch's does (-inf times 0)."""
    return _apply(x, cpu.silu, _native_silu)


def sigmoid(x: mx.array) -> mx.array:
    """1/(1 + e^-x), any shape and layout. NaN, inf and -inf give NaN, 1 and 0."""
    return _apply(x, cpu.sigmoid, _native_sigmoid)


def gelu(x: mx.array) -> mx.array:
    """x·Φ(x) with the exact normal distribution Φ, not its tanh approximation; any shape and layout.

    inf gives inf (NaN in PyTorch), -inf gives NaN as in PyTorch, x < -13.2 gives 0.
    """
    return _apply(x, cpu.gelu, _native_gelu)


def gelu_new(x: mx.array) -> mx.array:
    """x/2·(1 + tanh u) with u = √(2/π)·(x + 0.044715 x³), any shape and layout: GELU's approximation, of GPT-2.

    It is x·σ(2u), in which no 1 cancels against a tanh near -1. inf gives inf; -inf gives NaN, as PyTorch's does.
    """
    return _apply(x, cpu.gelu_new, _native_gelu_new)


def mish(x: mx.array) -> mx.array:
    """x·tanh(softplus(x)), any shape and layout. inf gives inf; -inf gives NaN, as PyTorch's does."""
    return _apply(x, cpu.mish, _native_mish)


def snake(x: mx.array, alpha: mx.array) -> mx.array:
    """`... c`, `c` -> `... c`. x + sin(alpha x)²/alpha, with an alpha for each channel."""
    wide = (array.astype(mx.float32) for array in (x, alpha))
    if gpu := on_gpu():
        called("snake")
    return _native_snake(x, alpha) if gpu or in_double() else cpu.snake(*wide).astype(x.dtype)


def leaky_relu(x: mx.array, slope: float = 0.01) -> mx.array:
    """x, or `slope` times x below 0, any shape and layout."""
    return mx.maximum(x, slope * x)


def _apply(x: mx.array, cpu: Callable[[mx.array], mx.array], native: Callable[[mx.array], mx.array]) -> mx.array:
    """Run `cpu` in float32, or `native`, which does so itself, and return the dtype of `x`. Double has no `cpu`."""
    if x.dtype not in _FLOATS:
        raise TypeError(f"got dtype {x.dtype}, expected float32, float16 or bfloat16: cast the input first")
    if on_gpu():
        called(cpu.__name__)
        return native(x)
    flat, f = x.astype(mx.float32).reshape(-1), native if in_double() else cpu
    y = f(flat) if few(flat) else halves(f, flat)
    return y.reshape(x.shape).astype(x.dtype)


def few(values: mx.array) -> bool:
    """Whether two streams are not worth their synchronisation."""
    return values.size < _MANY


def _one_kernel(f: Callable[[mx.array], mx.array]) -> Callable[[mx.array], mx.array]:
    """`f` in float32, with the casts to it and back, as one kernel of a GPU, where each launch counts."""
    return mx.compile(lambda x: f(x.astype(mx.float32)).astype(x.dtype), shapeless=True)


_native_exp = _one_kernel(mx.exp)
_native_silu = _one_kernel(lambda x: x * mx.sigmoid(x))
_native_sigmoid = _one_kernel(mx.sigmoid)
_native_gelu = _one_kernel(lambda x: x * (1 + mx.erf(x * math.sqrt(0.5))) / 2)
_native_gelu_new = _one_kernel(lambda x: x * mx.sigmoid(cpu.twice_gelu_new(x)))
_native_mish = _one_kernel(lambda x: x * mx.tanh(mx.logaddexp(x, 0)))


@partial(mx.compile, shapeless=True)
def _native_snake(x: mx.array, alpha: mx.array) -> mx.array:
    """Snake as one kernel of a GPU."""
    return x + (1.0 / (alpha + 1e-9)) * mx.square(mx.sin(x * alpha))
