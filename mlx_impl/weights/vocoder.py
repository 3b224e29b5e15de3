"""The keys of the vocoder in `s3gen.safetensors`, and the parameters that they fill."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_impl.vocoder import Vocoder
from mlx_impl.weights.checkpoint import S3GEN, load
from reference.config import VocoderConfig

PARTS = {
    "conv_pre": "generator.conv_pre",
    "conv_post": "generator.conv_post",
    "ups.#": "generator.levels.#.up",
    "source_downs.#": "generator.levels.#.source_down",
    "source_resblocks.#": "generator.levels.#.source_resblock",
    "m_source.l_linear": "source.linear",
}
G, V = ".parametrizations.weight.original0", ".parametrizations.weight.original1"


def vocoder_parameter_name(key: str, blocks: int = 3) -> str:
    """The parameter that a key fills, its weight norm folded, without `mel2wav.`; a level has `blocks` resblocks."""
    key = re.sub(r"(?<=\.)(conv|activation)s([12])\.(\d+)(?=\.)", r"units.\3.\1\2", key)
    if match := re.fullmatch(r"resblocks\.(\d+)\.(.*)", key):
        level, block = divmod(int(match[1]), blocks)
        return f"generator.levels.{level}.resblocks.{block}.{match[2]}"
    if match := re.fullmatch(r"f0_predictor\.condnet\.(\d+)\.(.*)", key):
        place = int(match[1])  # in a Sequential, where every other one is an ELU
        return key if place % 2 else f"f0_predictor.convs.{place // 2}.{match[2]}"
    for upstream, ours in PARTS.items():
        if match := re.match(upstream.replace(".", r"\.").replace("#", r"(\d+)") + r"\.", key):
            place = match[1] if match.groups() else ""
            return f"{ours.replace('#', place)}.{key[match.end() :]}"
    return key


def load_vocoder(checkpoint: Path, config: VocoderConfig, dtype: mx.Dtype = mx.float32) -> Vocoder:
    """The vocoder of a checkpoint directory, in eval mode. Raises `ValueError` as `load` does.

    The generator is in `dtype`, f0 predictor and source in float32: a half f0 is off by up to 1 Hz, and phases add up.
    """
    name = partial(vocoder_parameter_name, blocks=len(config.resblock_kernels))
    fold = partial(fold_weight_norm, dtype=np.float32)
    vocoder = load(Vocoder(config), checkpoint / S3GEN, "mel2wav.", name, mx.float32, fold)
    vocoder.generator.set_dtype(dtype)
    mx.eval(vocoder.parameters())
    return vocoder


def fold_weight_norm(tensors: dict[str, np.ndarray], dtype: type[np.floating]) -> dict[str, np.ndarray]:
    """The tensors with each pair g, v replaced by the weight g v / ||v||, the norm over all axes but the first.

    The same for transposed convolutions, whose first axis is their input. In float64, rounded once to `dtype`. A half
    without its other half is left as it is, which `load` refuses.
    """
    folded = dict(tensors)
    for key, g in tensors.items():
        base = key.removesuffix(G)
        if base == key or (v := tensors.get(base + V)) is None:
            continue
        if f"{base}.weight" in tensors:
            raise ValueError(f"weight norm of {base}: {base}.weight is stored as well, expected one or the other")
        if g.shape != (v.shape[0], *(1 for _ in v.shape[1:])):
            raise ValueError(f"weight norm of {base}: g has shape {g.shape}, which does not fit v {v.shape}")
        if not v.reshape(len(v), -1).any(1).all():
            raise ValueError(f"weight norm of {base}: a channel of v is 0, which has no direction; make the file again")
        wide = v.astype(np.float64)
        norm = np.sqrt(np.sum(wide * wide, axis=tuple(range(1, v.ndim)), keepdims=True))
        folded[f"{base}.weight"] = (g * (wide / norm)).astype(dtype)
        del folded[base + G], folded[base + V]
    return folded
