"""Rotary positions: each component of a vector is rotated together with the one half a vector away."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from mlx_impl.ops.device import on_gpu

_SIGNS = mx.array([[-1.0], [1.0]])  # of the sine, by half


def cosines_and_sines(frequencies: np.ndarray, start: int, count: int) -> tuple[mx.array, mx.array]:
    """Of `count` positions from `start`, each `(count, D)`, by D / 2 frequencies in rad a position."""
    angles = mx.arange(start, start + count, dtype=mx.float32)[:, None] * mx.array(frequencies)
    angles = mx.concatenate([angles, angles], axis=-1)
    return mx.cos(angles), mx.sin(angles)


def rotated(x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    """`x (..., T, D)` by the angles of these cosines and sines `(T, D)`, whose second half repeats the first."""
    if on_gpu():
        halved = [array.reshape(*array.shape[:-1], 2, -1) for array in (x, cos, sin)]
        return _in_one_kernel(halved[0], halved[0][..., ::-1, :], *halved[1:], _SIGNS).reshape(x.shape)
    first, second = x.split(2, axis=-1)
    return x * cos + mx.concatenate([-second, first], axis=-1) * sin


@mx.compile
def _in_one_kernel(x: mx.array, swapped: mx.array, cos: mx.array, sin: mx.array, signs: mx.array) -> mx.array:
    """`rotated` of vectors in halves `(..., T, 2, D / 2)`, and of the same with the halves swapped: one kernel."""
    return x * cos + swapped * (sin * signs.astype(sin.dtype))
