"""Conditioning as two stages of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reference.conditioning.conditioner import Conditioner
from reference.conditioning.mel import PROMPT_RATE
from reference.conditioning.trim import trimmed
from reference.ode import Observe, unobserved
from spec.config import check_wave

State = dict[str, np.ndarray]


def run_trim(model: Conditioner, state: State, observe: Observe = unobserved) -> State:
    """`voice_16 (1, N)`, at 16 kHz -> the same without its silent ends."""
    wave = trimmed(_wave(model, state, "voice_16", model.voice_rate), observe)
    return state | {"trimmed_16": wave.numpy()}


def run_prompt(model: Conditioner, state: State, observe: Observe = unobserved) -> State:
    """`voice_24 (B, N)`, at 24 kHz -> what the flow continues: tokens, mel and x-vector."""
    prompt = model.prompt(_wave(model, state, "voice_24", PROMPT_RATE))
    return state | {
        "flow_prompt_tokens": observe("flow_prompt_tokens", prompt.tokens).numpy(),
        "prompt_mel": prompt.mel.numpy(),
        "embedding": prompt.embedding.numpy(),
    }


def run_speaker(model: Conditioner, state: State, observe: Observe = unobserved) -> State:
    """`voice_16` and `trimmed_16 (B, N)`, at 16 kHz -> what T3 imitates: tokens and speaker embedding."""
    voice = _wave(model, state, "voice_16", model.voice_rate)
    speaker = model.speaker(voice, _wave(model, state, "trimmed_16", model.voice_rate))
    return state | {
        "prompt_tokens": observe("prompt_tokens", speaker.tokens).numpy(),
        "voice": speaker.embedding.numpy(),
    }


def _wave(model: Conditioner, state: State, name: str, rate: int) -> Tensor:
    wave = state[name]
    if wave.ndim != 2:
        raise ValueError(f"{name} has shape {wave.shape}, expected (B, N): give a batch of mono waves")
    check_wave(name, wave, rate)
    return torch.from_numpy(np.ascontiguousarray(wave)).to(model.voice_encoder.encoder.proj.weight.dtype)
