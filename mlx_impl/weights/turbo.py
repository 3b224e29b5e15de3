"""Turbo's T3 of a checkpoint, from its own file."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx

from mlx_impl.turbo.model import TurboT3
from mlx_impl.weights.checkpoint import load
from spec.turbo import TurboT3Config


def load_turbo(checkpoint: Path, config: TurboT3Config, dtype: mx.Dtype = mx.float32) -> TurboT3:
    """Turbo's T3 of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    return load(TurboT3(config), checkpoint / config.file, "t3", dtype)
