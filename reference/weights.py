"""Checkpoint to parameters: the only place where names change on this side. Layouts are PyTorch's own, unchanged.

Reads the directory as published (`s3gen.safetensors`); every key is accounted for and loading is strict.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reference.config import FlowConfig
from reference.flow import Flow

S3GEN = "s3gen.safetensors"

# Upstream names a U-Net block's parts by position and a convolution block's by place in a Sequential.
RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^decoder\.estimator\.", "decoder."),
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


def read(file: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint file whose keys start with `prefix`, by key without it.

    Raises `ValueError` for a missing or unreadable file, a dtype other than float32, and NaN or infinite weights.
    """
    if not file.is_file():
        raise ValueError(
            f"{file}: no such file; expected a checkpoint directory as published, or one made by "
            "`python -m reference.synthetic`"
        )
    try:
        with safe_open(file, framework="pt") as handle:
            keys = [key for key in sorted(handle.keys()) if key.startswith(prefix)]
            for key in keys:
                if (dtype := handle.get_slice(key).get_dtype()) != "F32":
                    raise ValueError(f"{file}: {key} has dtype {dtype}, expected F32; convert the file")
            tensors = {key.removeprefix(prefix): handle.get_tensor(key) for key in keys}
    except SafetensorError as error:
        raise ValueError(f"{file}: not a whole safetensors file ({error}); fetch or make it again") from error
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{file}: {prefix}{key} holds NaN or infinite weights; fetch or make the file again")
    return tensors


def load_flow(checkpoint: Path, config: FlowConfig, dtype: torch.dtype = torch.float32) -> Flow:
    """The flow of a checkpoint directory, in eval mode, in `dtype`.

    Raises `ValueError` that names the file and every missing, unknown or misshaped key.
    """
    file = checkpoint / S3GEN
    tensors = read(file, "flow.")
    keys: dict[str, str] = {}
    problems = []
    for key in tensors:
        name = parameter_name(key)
        if name in keys:
            problems.append(f"two keys fill {name}: flow.{keys[name]} and flow.{key}")
        keys[name] = key
    with torch.device("meta"):
        flow = Flow(config)
    expected = {name: tuple(parameter.shape) for name, parameter in flow.named_parameters()}
    problems += [f"missing: the key that fills {name}" for name in expected if name not in keys]
    problems += [f"unknown: flow.{key}" for name, key in keys.items() if name not in expected]
    problems += [
        f"flow.{keys[name]} has shape {tuple(tensors[keys[name]].shape)}, expected {shape}"
        for name, shape in expected.items()
        if name in keys and tuple(tensors[keys[name]].shape) != shape
    ]
    if problems:
        raise ValueError(
            f"{file} does not fit this configuration ({len(problems)} problems), is it of another size? "
            + "; ".join(problems[:5])
        )
    flow.load_state_dict({name: tensors[key].to(dtype) for name, key in keys.items()}, strict=True, assign=True)
    return flow.eval().requires_grad_(False)
