"""The flow of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx

from mlx_impl.flow import Flow
from mlx_impl.weights.checkpoint import load
from mlx_impl.weights.stored.mapping import parameter_of
from spec.config import FlowConfig


def parameter_name(key: str) -> str:
    """The parameter that a flow key of the checkpoint fills; `key` comes without its `flow.` prefix."""
    return parameter_of("flow", f"flow.{key}").removeprefix("flow.")


def load_flow(checkpoint: Path, config: FlowConfig, dtype: mx.Dtype = mx.float32) -> Flow:
    """The flow of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    return load(Flow(config), checkpoint / config.file, "flow", dtype)
