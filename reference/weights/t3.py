"""The keys of T3 in its own file, and the parameters that they fill. The file has no prefix."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from reference.t3.model import T3
from reference.weights.checkpoint import load, without_values
from spec.config import T3Config

RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^tfmr\.", "backbone."),
        (r"^(text|speech)_emb\.", r"\1_embedding."),
        (r"^(text|speech)_pos_emb\.emb\.", r"\1_positions."),
        (r"^cond_enc\.", "conditioning."),
        (r"\.spkr_enc\.", ".speaker_proj."),
        (r"\.emotion_adv_fc\.", ".emotion_proj."),
        (r"\.pre_attention_query$", ".queries"),
    )
)


def parameter_name(key: str) -> str:
    """The parameter that a key of T3's file fills."""
    for pattern, replacement in RENAMES:
        key = pattern.sub(replacement, key)
    return key


def load_t3(checkpoint: Path, config: T3Config, dtype: torch.dtype = torch.float32) -> T3:
    """T3 of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    with without_values():
        t3 = T3(config)
    return load(t3, checkpoint / config.file, "", parameter_name, dtype)
