"""MLX itself, on the CPU: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)


def to_mlx(value: Any) -> Any:
    """NumPy arrays, also inside lists and tuples, as MLX arrays; anything else as it is."""
    if isinstance(value, list | tuple):
        return type(value)(to_mlx(each) for each in value)
    return mx.array(value) if isinstance(value, np.ndarray) else value


def to_numpy(value: Any) -> Any:
    """MLX arrays, also inside lists and tuples, as NumPy arrays; bfloat16 as the float32 of the same value."""
    if isinstance(value, list | tuple):
        return type(value)(to_numpy(each) for each in value)
    if isinstance(value, mx.array):
        return np.array(value.astype(mx.float32) if value.dtype == mx.bfloat16 else value)
    return value


def real(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What a function of MLX gives for NumPy arrays."""
    return to_numpy(function(*to_mlx(list(arguments)), **{name: to_mlx(value) for name, value in named.items()}))
