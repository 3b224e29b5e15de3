"""The keys of the flow in `s3gen.safetensors`, and the parameters that they fill."""

from __future__ import annotations

import re
from pathlib import Path

import mlx.core as mx

from mlx_impl.flow import Flow
from mlx_impl.weights.checkpoint import S3GEN, load
from reference.config import FlowConfig

# Upstream's Sequential and ModuleList positions, spelt as the attributes of this side's modules.
PARTS = {
    "_blocks.#.0.": "_blocks.#.resnet.",
    "_blocks.#.1.": "_blocks.#.transformer_blocks.",
    "_blocks.#.2.": "_blocks.#.conv.",
    "block.0.": "conv.",
    "block.2.": "norm.",
    "mlp.1.": "time_proj.",
    "to_out.0.": "to_out.",
    "ff.net.0.proj.": "ff.proj_in.",
    "ff.net.2.": "ff.proj_out.",
    "embed.out.0.": "embed.linear.",
    "embed.out.1.": "embed.norm.",
    "decoder.estimator.": "decoder.",
}


def parameter_name(key: str) -> str:
    """The parameter that a flow key of the checkpoint fills; `key` comes without its `flow.` prefix."""
    for upstream, ours in PARTS.items():
        pattern = r"(?<![a-z])" + re.escape(upstream).replace(r"\#", r"(\d+)")
        if upstream.startswith("_"):
            pattern = pattern.removeprefix(r"(?<![a-z])")
        key = re.sub(pattern, ours.replace("#", r"\1"), key)
    return key


def load_flow(checkpoint: Path, config: FlowConfig, dtype: mx.Dtype = mx.float32) -> Flow:
    """The flow of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    return load(Flow(config), checkpoint / S3GEN, "flow.", parameter_name, dtype)
