"""When what was asked for is computed: MLX computes nothing before it must."""

from __future__ import annotations

import mlx.core as mx


def started(x: mx.array) -> mx.array:
    """`x`, which the device works at while the host builds what comes next; the graph behind it is let go of."""
    mx.async_eval(x)
    return x


def evaluated(*arrays: mx.array) -> tuple[mx.array, ...]:
    """The arrays, all computed before any is read: the device is waited for a single time."""
    mx.eval(*arrays)
    return arrays
