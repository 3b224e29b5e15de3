"""In which order the device adds the terms of a dot product: measured, as no library says it.

In double nothing can be measured, and no segment of a run in double tells one answer from another.
"""

from __future__ import annotations

from functools import cache

import mlx.core as mx

from mlx_impl.ops.precision import in_double

SHORT = 16
"""Terms that may be added in any order."""

WIDE = 2**13
"""Outputs of a wide layer; T3's head has as many."""

IN_DOUBLE = (5, 7)
"""Of 17 to 32 terms, and of 65 to 128: the bits of the lengths that are summed in blocks in double."""


def sums_in_order(length: int) -> bool:
    """Whether the device adds so many terms one after the other, and they are not few.

    Lengths between two powers of two are taken to be summed alike. In double no order rounds too much. A run in double
    is there to compare, so it takes both ways, by the length: blocks where they cost little, and products of MLX else.
    """
    bits = (length - 1).bit_length()
    return length > SHORT and (bits in IN_DOUBLE if in_double() else _sums_in_order(mx.default_device().type, bits))


@cache
def _sums_in_order(device: mx.DeviceType, bits: int) -> bool:
    """Of two rows of `2**bits` terms times the weight of a wide linear layer, on the device, which is the default one.

    Two, as T3's guidance has them: with more all devices may sum in order, PyTorch on a CPU too. And wide, as cuBLAS
    then sums 64 terms in order, which it does not for few outputs. Beside 2**24 a single 1 is rounded away: of 2**24
    and many ones a sum in order is 2**24, and any other more.
    """
    length = 2**bits
    outputs = max(SHORT, min(WIDE, 2**22 // length))  # fewer where the weights would take more than 16 MB
    x = mx.concatenate([mx.full((2, 1), 2.0**24), mx.ones((2, length - 1))], axis=1)
    return bool((x @ mx.ones((outputs, length)).T == 2.0**24).all().item())
