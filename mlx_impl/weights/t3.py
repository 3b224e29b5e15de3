"""The keys of T3 in its own file, and the parameters that they fill. The file has no prefix."""

from __future__ import annotations

import re
from pathlib import Path

import mlx.core as mx

from mlx_impl.t3.model import T3
from mlx_impl.weights.checkpoint import load
from reference.config import T3Config

ENGLISH = "t3_cfg.safetensors"
MULTILINGUAL = "t3_mtl23ls_v2.safetensors"

# Upstream's attributes, spelt as those of this side's modules.
PARTS = {
    "tfmr": "backbone",
    "text_emb": "text_embedding",
    "speech_emb": "speech_embedding",
    "text_pos_emb.emb": "text_positions",
    "speech_pos_emb.emb": "speech_positions",
    "cond_enc": "conditioning",
    "spkr_enc": "speaker_proj",
    "emotion_adv_fc": "emotion_proj",
    "pre_attention_query": "queries",
}


def parameter_name(key: str) -> str:
    """The parameter that a key of T3's file fills."""
    for upstream, ours in PARTS.items():
        key = re.sub(rf"(^|\.){re.escape(upstream)}(?=\.|$)", rf"\1{ours}", key)
    return key


def load_t3(checkpoint: Path, config: T3Config, dtype: mx.Dtype = mx.float32) -> T3:
    """T3 of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    return load(T3(config), checkpoint / (MULTILINGUAL if config.multilingual else ENGLISH), "", parameter_name, dtype)
