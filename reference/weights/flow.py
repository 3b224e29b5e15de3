"""The keys of the flow in `s3gen.safetensors`, and the parameters that they fill."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from reference.flow import Flow
from reference.weights.checkpoint import load, without_values
from spec.config import FlowConfig

# Upstream names a U-Net block's parts by position and a convolution block's by place in a Sequential.
RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^decoder\.estimator\.", "decoder."),
        (r"\.time_embed_mixer\.", ".time_mixer."),
        (r"_blocks\.(\d+)\.0\.", r"_blocks.\1.resnet."),
        (r"_blocks\.(\d+)\.1\.", r"_blocks.\1.transformer_blocks."),
        (r"_blocks\.(\d+)\.2\.", r"_blocks.\1.conv."),
        (r"\.block\.0\.", ".conv."),
        (r"\.block\.2\.", ".norm."),
        (r"\.mlp\.1\.", ".time_proj."),
        (r"\.to_out\.0\.", ".to_out."),
        (r"\.ff\.net\.0\.proj\.", ".ff.proj_in."),
        (r"\.ff\.net\.2\.", ".ff.proj_out."),
        (r"embed\.out\.0\.", "embed.linear."),
        (r"embed\.out\.1\.", "embed.norm."),
    )
)


def parameter_name(key: str) -> str:
    """The parameter that a flow key of the checkpoint fills; `key` comes without its `flow.` prefix."""
    for pattern, replacement in RENAMES:
        key = pattern.sub(replacement, key)
    return key


def load_flow(checkpoint: Path, config: FlowConfig, dtype: torch.dtype = torch.float32) -> Flow:
    """The flow of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        flow = Flow(config)
    return load(flow, checkpoint / config.file, "flow.", parameter_name, dtype)
