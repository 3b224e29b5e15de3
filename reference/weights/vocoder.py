"""The keys of the vocoder in `s3gen.safetensors`, and the parameters that they fill."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from reference.vocoder import Vocoder
from reference.weights.checkpoint import load, without_values
from spec.config import VocoderConfig

# Upstream lists the parts of all levels side by side and numbers its f0 layers with the ELUs between them.
RENAMES = (
    (re.compile(r"^(conv_pre|conv_post)\."), r"generator.\1."),
    (re.compile(r"^ups\.(\d+)\."), r"generator.levels.\1.up."),
    (re.compile(r"^source_(down|resblock)s\.(\d+)\."), r"generator.levels.\2.source_\1."),
    (re.compile(r"\.(conv|activation)s([12])\.(\d+)\."), r".units.\3.\1\2."),
    (re.compile(r"^m_source\.l_linear\."), "source.linear."),
)
BLOCKS = 3  # residual blocks of a level
RESBLOCK = re.compile(r"^resblocks\.(\d+)\.")
G, V = ".parametrizations.weight.original0", ".parametrizations.weight.original1"
F0_CONV = re.compile(r"^(f0_predictor)\.condnet\.(\d*[02468])\.")


def vocoder_parameter_name(key: str) -> str:
    """The parameter that a key fills, its weight norm folded, without `mel2wav.`."""
    for pattern, replacement in RENAMES:
        key = pattern.sub(replacement, key)
    key = RESBLOCK.sub(lambda m: "generator.levels.{}.resblocks.{}.".format(*divmod(int(m[1]), BLOCKS)), key)
    return F0_CONV.sub(lambda m: f"{m[1]}.convs.{int(m[2]) // 2}.", key)


def load_vocoder(checkpoint: Path, config: VocoderConfig, dtype: torch.dtype = torch.float32) -> Vocoder:
    """The vocoder of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        vocoder = Vocoder(config)
    fold = partial(_fold_weight_norm, dtype=dtype)
    return load(vocoder, checkpoint / config.file, "mel2wav.", vocoder_parameter_name, dtype, fold)


def _fold_weight_norm(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors with each pair g, v replaced by the weight g v / ||v||, the norm over all axes but the first.

    The same for transposed convolutions, whose first axis is their input. In `dtype`, by PyTorch's own operation.
    A half without its other half is left as it is, which `load` refuses.
    """
    folded = dict(tensors)
    for key, g in tensors.items():
        base = key.removesuffix(G)
        if base == key or (v := tensors.get(base + V)) is None:
            continue
        if f"{base}.weight" in tensors:
            raise ValueError(f"weight norm of {base}: {base}.weight is stored as well, expected one or the other")
        if g.shape != (v.shape[0], *(1 for _ in v.shape[1:])):
            raise ValueError(
                f"weight norm of {base}: g has shape {tuple(g.shape)}, which does not fit v {tuple(v.shape)}"
            )
        if not v.flatten(1).any(1).all():
            raise ValueError(f"weight norm of {base}: a channel of v is 0, which has no direction; make the file again")
        folded[f"{base}.weight"] = torch._weight_norm(v.to(dtype), g.to(dtype), 0)
        del folded[base + G], folded[base + V]
    return folded
