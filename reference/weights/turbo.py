"""The keys of Turbo's T3 in its own file, and the parameters that they fill.

They are named as Chatterbox's T3 names them. GPT-2 keeps the weights of its linear layers as (in, out).
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from reference.turbo.model import TurboT3
from reference.weights.checkpoint import load, without_values
from reference.weights.t3 import parameter_name
from spec.turbo import TurboT3Config

TRANSPOSED = re.compile(r"\.(c_attn|c_fc|c_proj)\.weight$")


def load_turbo(checkpoint: Path, config: TurboT3Config, dtype: torch.dtype = torch.float32) -> TurboT3:
    """Turbo's T3 of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        t3 = TurboT3(config)
    return load(t3, checkpoint / config.file, "", parameter_name, dtype, _transpose)


def _transpose(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with GPT-2's weights as (out, in), in upstream's memory order, by which PyTorch picks its product."""
    return {key: value.T if TRANSPOSED.search(key) else value for key, value in tensors.items()}
