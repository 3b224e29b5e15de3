"""The case that conditioning is verified on, and its two sides as the parity engine takes them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mlx_impl.conditioning.stage
import mlx_impl.weights.conditioning
import reference.conditioning.stage
import reference.weights.conditioning
from fixtures.voice import synthetic_voice
from parity.side import Case
from reference import synthetic
from reference.audio import trim
from reference.config import CHATTERBOX_SIZES

SECONDS = {"tiny": 2.0, "full": 3.3}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def voice(name: str, seconds: float) -> dict[str, np.ndarray]:
    """The state that conditioning starts from: one synthetic voice, sampled at both rates."""
    voice_24, voice_16 = (synthetic_voice(name, seconds, rate) for rate in (24000, 16000))
    return {"voice_24": voice_24[None], "voice_16": voice_16[None], "trimmed_16": trim(voice_16)[None]}


def load(name: str) -> Case:
    """The case of a size, `tiny` or `full`."""
    config = CHATTERBOX_SIZES[name]
    if name == "tiny":  # several segments in two seconds, so that errors are not those of one average
        config = replace(config, speaker_encoder=replace(config.speaker_encoder, segment=16))
    dims = {
        "tokenizer_blocks": config.tokenizer.blocks,
        "lstm_layers": config.voice_encoder.layers,
    } | {f"dense_layers_{block}": layers for block, layers in enumerate(config.speaker_encoder.layers)}
    return Case(name, dims, voice(name, SECONDS[name]), {"config": config})


@cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


def checkpoint(case: Case) -> Path:
    """A synthetic checkpoint directory of the size, made once in this process and removed with it."""
    folder = Path(_folder().name) / case.name
    if not folder.exists():
        synthetic.write(folder, CHATTERBOX_SIZES[case.name], files=["s3gen", "ve"])
    return folder


class Stages:
    """A conditioner with the stage functions of its side."""

    def __init__(self, model: Any, stage: Any):
        self.model = model
        self.stages = {"prompt": stage.run_prompt, "speaker": stage.run_speaker}

    @torch.inference_mode()
    def run(self, segment: str, index: int | None, state: dict, observe: Any) -> dict:
        return self.stages[segment](self.model, state, observe)


def reference_side(checkpoint: Path, options: Mapping[str, Any], dtype: str) -> Stages:
    load_conditioner = reference.weights.conditioning.load_conditioner
    return Stages(load_conditioner(checkpoint, options["config"], DTYPES[dtype]), reference.conditioning.stage)


def mlx_side(checkpoint: Path, options: Mapping[str, Any], dtype: str) -> Stages:
    assert dtype == "float32"
    load_conditioner = mlx_impl.weights.conditioning.load_conditioner
    return Stages(load_conditioner(checkpoint, options["config"]), mlx_impl.conditioning.stage)
