"""The vocoder of each side as two segments, for the parity engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
import torch
from torch import nn

import mlx_impl.vocoder.vocoder
import reference.vocoder.vocoder
from fixtures.cases import load as load_flow_case
from fixtures.cases import synthetic_checkpoint
from mlx_impl.weights.vocoder import load_vocoder as load_mlx
from parity.draws import normal, uniform
from parity.side import Case, State
from reference.config import CHATTERBOX_SIZES, VocoderConfig, check_vocoder_inputs
from reference.weights.vocoder import load_vocoder as load_torch

SIZES = {name: config.vocoder for name, config in CHATTERBOX_SIZES.items()}
CASES = {"tiny": ("tiny", 1, 12, 0), "tiny-batch": ("tiny", 2, 5, 0), "tiny-cache": ("tiny", 1, 4, 700)}


def inputs(name: str, config: VocoderConfig, batch: int, frames: int, cached: int = 0) -> State:
    """A mel-like array of that many frames, the draws of the source, and `cached` samples of the source before."""
    phase = (2 * uniform(name, "phase", (batch, config.harmonics)) - 1) * np.float32(np.pi)
    cache = 0.1 * normal(name, "cache", (batch, 1, cached))
    return {
        "mel": 2 * normal(name, "mel", (batch, config.mel_bins, frames)) - 5,
        "phase": phase,
        "noise": normal(name, "noise", (batch, config.harmonics, config.frame_samples * frames)),
    } | ({"cache": cache} if cached else {})


def case(name: str) -> Case:
    """A case of `CASES`, or `SIZE:FRAMES` for one of any length."""
    size, batch, frames, cached = CASES[name] if name in CASES else (name.split(":")[0], 1, int(name.split(":")[1]), 0)
    config = SIZES[size]
    dims = {
        "f0_layers": config.f0_layers,
        "dilations": len(config.dilations),
        "resblocks": len(config.resblock_kernels),
        "levels": len(config.upsample_rates),
    }
    return Case(name, dims, inputs(name, config, batch, frames, cached), {"size": size})


def checkpoint(case: Case) -> Path:
    return synthetic_checkpoint(load_flow_case(case.options["size"]))


class TorchSide:
    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str = "float32"):
        self.dtype = getattr(torch, dtype)
        self.model = nn.Module()
        self.model.vocoder = load_torch(checkpoint, SIZES[options["size"]], self.dtype)

    @torch.inference_mode()
    def run(self, segment: str, index: int | None, state: State, observe: Any) -> State:
        vocoder = self.model.vocoder
        tensors = {name: torch.from_numpy(np.array(array)).to(self.dtype) for name, array in state.items()}
        if segment == "source":
            check_vocoder_inputs(vocoder.config, state)
            source = vocoder.excite(*(tensors.get(name) for name in ("mel", "phase", "noise", "cache")), observe)
            return {"mel": state["mel"], "source": source.numpy()}
        wave = vocoder.generator(tensors["mel"], tensors["source"], observe)
        faded = reference.vocoder.vocoder.fade_in(wave, vocoder.config.sample_rate)
        return {"wave": observe("vocoder.wave", faded).numpy()}


class MlxSide:
    def __init__(self, checkpoint: Path, options: Mapping[str, Any], dtype: str = "float32"):
        assert dtype == "float32"
        self.model = mlx.nn.Module()
        self.model.vocoder = load_mlx(checkpoint, SIZES[options["size"]])

    def run(self, segment: str, index: int | None, state: State, observe: Any) -> State:
        vocoder = self.model.vocoder
        arrays = {name: mx.array(np.ascontiguousarray(array)) for name, array in state.items()}
        if segment == "source":
            source = vocoder.excite(*(arrays.get(name) for name in ("mel", "phase", "noise", "cache")), observe)
            return {"mel": state["mel"], "source": np.array(source)}
        wave = vocoder.generator(arrays["mel"], arrays["source"], observe)
        faded = mlx_impl.vocoder.vocoder.fade_in(wave, vocoder.config.sample_rate)
        return {"wave": np.array(observe("vocoder.wave", faded))}
