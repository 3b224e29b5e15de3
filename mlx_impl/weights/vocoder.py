"""The vocoder of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx

from mlx_impl.vocoder import Vocoder
from mlx_impl.weights.checkpoint import S3GEN, load, parameter_of
from reference.config import VocoderConfig


def vocoder_parameter_name(key: str) -> str:
    """The parameter that a key fills, its weight norm folded, without `mel2wav.`."""
    return parameter_of("vocoder", f"mel2wav.{key}").removeprefix("mel2wav.")


def load_vocoder(checkpoint: Path, config: VocoderConfig, dtype: mx.Dtype = mx.float32) -> Vocoder:
    """The vocoder of a checkpoint directory, in eval mode, in `dtype`. Raises `ValueError` as `load` does."""
    return load(Vocoder(config), checkpoint / S3GEN, "vocoder", dtype)
