"""T3 of a checkpoint, from its own file."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx

from mlx_impl.t3.model import T3
from mlx_impl.weights.checkpoint import load
from mlx_impl.weights.stored.mapping import parameter_of
from spec.config import T3Config


def parameter_name(key: str) -> str:
    """The parameter that a key of T3's file fills."""
    return parameter_of("t3", key)


def load_t3(checkpoint: Path, config: T3Config, dtype: mx.Dtype = mx.float32) -> T3:
    """T3 of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    return load(T3(config), checkpoint / config.file, "t3", dtype)
