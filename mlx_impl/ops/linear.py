"""Matrix products of this side: MLX's own, or sums of them where the device adds a dot product's terms in order.

The netlib BLAS of MLX's Linux wheel adds in order: each term is rounded to the sum of all before it. With a row or two
the result is 1.4 (16 terms) to 2 times (256) as far from the exact one as PyTorch's, whose sum has four parts at least.
Whether a device does is measured, not asked for: `sums_in_order`. Sums of blocks, as many as each is long, then round
less than PyTorch. Where the device sums in parts, a product here is one of MLX's.

A quantised layer on a CPU has a product of this side as well. MLX goes through all codes anew for each row, on one
core, so the 152 rows of T3's prefix take 40 times as long as the same product of weights.
"""

from __future__ import annotations

from functools import reduce
from math import isqrt
from operator import add
from typing import Any

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.order import SHORT, sums_in_order
from mlx_impl.ops.parallel import halves

FEW = 3
"""Rows of which each may have the codes read for itself."""


class Linear(nn.Linear):
    """`... c` -> `... c`. Weight `(out, in)`."""

    def __call__(self, x: mx.array) -> mx.array:
        if joined(x):
            return super().__call__(x)
        y = matmul(x, self.weight.T)  # on a CPU the bias is not put in before, which takes longer and rounds more
        return y + self.bias if "bias" in self else y

    def to_quantized(self, group_size: int | None = None, bits: int | None = None, **mode: Any) -> nn.Module:
        """As MLX's, with a layer of this module."""
        if mode.pop("quantize_input", False):
            raise ValueError("quantize_input: only weights are quantised here")
        return QuantizedLinear.from_linear(self, group_size, bits, **mode)


class QuantizedLinear(nn.QuantizedLinear):
    """`... c` -> `... c`. Codes `(out, in)`, packed; on a CPU each half of the outputs is made on a core of its own."""

    def __call__(self, x: mx.array) -> mx.array:
        if by_codes(x):
            return super().__call__(x)
        rows = x.reshape(-1, x.shape[-1])

        def outputs(*codes: mx.array) -> mx.array:
            if few(rows):
                return mx.quantized_matmul(rows, *codes, group_size=self.group_size, bits=self.bits).T
            return matmul(mx.dequantize(*codes, self.group_size, self.bits), rows.T)

        y = halves(outputs, self.weight, self.scales, self.biases).T.reshape(*x.shape[:-1], -1)
        return y + self.bias if "bias" in self else y


def joined(x: mx.array) -> bool:
    """Whether a layer is one call of MLX's, which adds its bias too."""
    return x.dtype != mx.float32 or (on_gpu() and its_own(x))


def by_codes(x: mx.array) -> bool:
    """Whether a quantised layer is one call of MLX's."""
    return on_gpu() or x.dtype != mx.float32


def few(rows: mx.array) -> bool:
    """Whether reading the codes for each row takes less time than making weights of them."""
    return rows.shape[0] <= FEW


def matmul(x: mx.array, y: mx.array) -> mx.array:
    """`x (..., T, n)` times `y (..., n, S)` -> `(..., T, S)`; leading axes are broadcast."""
    return x @ y if its_own(x) else sum_of_blocks(x, y)


def addmm(term: mx.array, x: mx.array, y: mx.array) -> mx.array:
    """`term + matmul(x, y)`; `term` is broadcast to it."""
    return mx.addmm(term, x, y) if its_own(x) else term + sum_of_blocks(x, y)


def its_own(x: mx.array) -> bool:
    """Whether MLX's own product over the last axis of `x` is used: half precision rounds more than any order does."""
    return x.dtype != mx.float32 or not sums_in_order(x.shape[-1])


def root(length: int) -> int:
    """The square root, rounded up: of blocks of so many terms there are about as many."""
    return isqrt(length - 1) + 1


def block_of(length: int) -> int:
    """How many of so many terms are summed in one go."""
    return max(SHORT, root(length))


def sum_of_blocks(x: mx.array, y: mx.array) -> mx.array:
    """`x (..., T, n)` times `y (..., n, S)`, n summed in blocks of its root, or of `SHORT`."""
    length = x.shape[-1]
    block = block_of(length)
    if on_gpu():
        return _stacked(x, y, -(-length // block), block)
    starts = range(0, length, block)
    return reduce(add, (x[..., start : start + block] @ y[..., start : start + block, :] for start in starts))


def _stacked(x: mx.array, y: mx.array, count: int, block: int) -> mx.array:
    """As one product of all blocks and one sum of what it gives: a GPU spends its time on launches."""
    rest = count * block - x.shape[-1]
    if rest:  # else both would be copied for nothing
        x = mx.pad(x, [*[(0, 0)] * (x.ndim - 1), (0, rest)])
        y = mx.pad(y, [*[(0, 0)] * (y.ndim - 2), (0, rest), (0, 0)])
    rows = x.reshape(*x.shape[:-1], count, block).swapaxes(-2, -3)  # (..., count, T, block)
    columns = y.reshape(*y.shape[:-2], count, block, y.shape[-1])  # (..., count, block, S)
    return mx.sum(rows @ columns, axis=-3)
