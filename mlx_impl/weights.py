"""Checkpoint to parameters: the only place where names and layouts change on this side.

Reads the directory as published (`s3gen.safetensors`); every key is accounted for and loading is strict.
"""

from __future__ import annotations

import re
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from safetensors import SafetensorError, safe_open

from mlx_impl.flow import Flow
from reference.config import FlowConfig

S3GEN = "s3gen.safetensors"

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

# A layout is decided by the declared kind of the parameter, never by its shape: with in == k both orders fit.
CONV1D = re.compile(r"(^|\.)(conv|conv1|conv2|res_conv|final_proj)\.weight$")


def parameter_name(key: str) -> str:
    """The parameter that a flow key of the checkpoint fills; `key` comes without its `flow.` prefix."""
    for upstream, ours in PARTS.items():
        pattern = r"(?<![a-z])" + re.escape(upstream).replace(r"\#", r"(\d+)")
        if upstream.startswith("_"):
            pattern = pattern.removeprefix(r"(?<![a-z])")
        key = re.sub(pattern, ours.replace("#", r"\1"), key)
    return key


def to_mlx_layout(name: str, array: np.ndarray) -> np.ndarray:
    """PyTorch's layout to MLX's, contiguous: Conv1d (out, in, k) to (out, k, in); linear layers stay (out, in)."""
    if CONV1D.search(name):
        return np.ascontiguousarray(array.transpose(0, 2, 1))
    return array


def pytorch_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in PyTorch's layout of a parameter that has `shape` in MLX's: the inverse of `to_mlx_layout`."""
    return (shape[0], shape[2], shape[1]) if CONV1D.search(name) else shape


def read(file: Path, prefix: str) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint file whose keys start with `prefix`, by key without it.

    Raises `ValueError` for a missing or unreadable file, a dtype other than float32, and NaN or infinite weights.
    """
    if not file.is_file():
        raise ValueError(
            f"{file}: no such file; expected a checkpoint directory as published, or one made by "
            "`python -m reference.synthetic`"
        )
    try:
        with safe_open(file, framework="numpy") as handle:
            keys = [key for key in sorted(handle.keys()) if key.startswith(prefix)]
            for key in keys:  # before any is read: NumPy has no bfloat16
                if (dtype := handle.get_slice(key).get_dtype()) != "F32":
                    raise ValueError(f"{file}: {key} has dtype {dtype}, expected F32; convert the file")
            tensors = {key.removeprefix(prefix): handle.get_tensor(key) for key in keys}
    except SafetensorError as error:
        raise ValueError(f"{file}: not a whole safetensors file ({error}); fetch or make it again") from error
    for key, array in tensors.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{file}: {prefix}{key} holds NaN or infinite weights; fetch or make the file again")
    return tensors


def load_flow(checkpoint: Path, config: FlowConfig, dtype: mx.Dtype = mx.float32) -> Flow:
    """The flow of a checkpoint directory, in eval mode (MLX modules start in training mode), in `dtype`.

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
    flow = Flow(config)
    expected = {name: pytorch_shape(name, parameter.shape) for name, parameter in tree_flatten(flow.parameters())}
    problems += [f"missing: the key that fills {name}" for name in expected if name not in keys]
    problems += [f"unknown: flow.{key}" for name, key in keys.items() if name not in expected]
    problems += [
        f"flow.{keys[name]} has shape {tensors[keys[name]].shape}, expected {shape}"
        for name, shape in expected.items()
        if name in keys and tensors[keys[name]].shape != shape
    ]
    if problems:
        raise ValueError(
            f"{file} does not fit this configuration ({len(problems)} problems), is it of another size? "
            + "; ".join(problems[:5])
        )
    arrays = {name: to_mlx_layout(name, tensors[key]) for name, key in keys.items()}
    flow.load_weights([(name, mx.array(array).astype(dtype)) for name, array in arrays.items()], strict=True)
    flow.eval()
    mx.eval(flow.parameters())
    return flow
