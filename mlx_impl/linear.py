"""Matrix products of this side: MLX's own, or sums of them where the device adds a dot product's terms in order.

The netlib BLAS of MLX's Linux wheel does: each term is rounded to the sum of all before it, and with a row or two the
result is 1.4 (16 terms) to 2 times (256) as far from the exact one as PyTorch's, whose sum has four parts at least.
Whether a device does is measured, not asked for: `sums_in_order`. Sums of blocks, as many as each is long, then round
less than PyTorch. Where the device sums in parts, a product here is one of MLX's.
"""

from __future__ import annotations

from functools import cache, reduce
from math import isqrt
from operator import add

import mlx.core as mx
from mlx import nn

SHORT = 16
"""Terms that may be added in any order."""


class Linear(nn.Linear):
    """`... c` -> `... c`. Weight `(out, in)`."""

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        y = sum_of_blocks(x, self.weight.T)
        return y + self.bias if "bias" in self else y


def matmul(x: mx.array, y: mx.array) -> mx.array:
    """`x (..., T, n)` times `y (..., n, S)` -> `(..., T, S)`; leading axes are broadcast."""
    return x @ y if its_own(x) else sum_of_blocks(x, y)


def its_own(x: mx.array) -> bool:
    """Whether MLX's own product over the last axis of `x` is used: half precision rounds more than any order does."""
    return x.dtype != mx.float32 or not sums_in_order(x.shape[-1])


def sums_in_order(length: int) -> bool:
    """Whether the device adds so many terms one after the other, and they are not few.

    Lengths between two powers of two are taken to be summed alike.
    """
    return length > SHORT and _sums_in_order(mx.default_device().type, (length - 1).bit_length())


@cache
def _sums_in_order(device: mx.DeviceType, bits: int) -> bool:
    """Of a row of `2**bits` terms times the weight of a linear layer, on the device, which is the default one.

    Beside 2**24 a single 1 is rounded away: of 2**24 and many ones a sum in order is 2**24, and any other more.
    """
    length = 2**bits
    x = mx.concatenate([mx.full((1, 1), 2.0**24), mx.ones((1, length - 1))], axis=1)
    return bool((x @ mx.ones((SHORT, length)).T == 2.0**24).all().item())


def root(length: int) -> int:
    """The square root, rounded up: of blocks of so many terms there are about as many."""
    return isqrt(length - 1) + 1


def sum_of_blocks(x: mx.array, y: mx.array) -> mx.array:
    """`x (..., T, n)` times `y (..., n, S)`, n summed in blocks of its root."""
    length = x.shape[-1]
    block = root(length)
    starts = range(0, length, block)
    return reduce(add, (x[..., start : start + block] @ y[..., start : start + block, :] for start in starts))
