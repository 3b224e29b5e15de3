"""The vocoder of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx

from mlx_impl.vocoder import Vocoder
from mlx_impl.weights.checkpoint import load
from mlx_impl.weights.stored.mapping import parameter_of
from spec.config import VocoderConfig


def vocoder_parameter_name(key: str) -> str:
    """The parameter that a key fills, its weight norm folded, without `mel2wav.`."""
    return parameter_of("vocoder", f"mel2wav.{key}").removeprefix("mel2wav.")


def load_vocoder(checkpoint: Path, config: VocoderConfig, dtype: mx.Dtype = mx.float32) -> Vocoder:
    """The vocoder of a checkpoint directory, in eval mode. Raises `ValueError` as `load` does.

    The generator is in `dtype`, f0 predictor and source in float32: a half f0 is off by up to 1 Hz, and phases add up.
    """
    vocoder = load(Vocoder(config), checkpoint / config.file, "vocoder", mx.float32)
    vocoder.generator.set_dtype(dtype)
    mx.eval(vocoder.parameters())
    return vocoder
