"""Conditioning as two stages of the pipeline: from one state, a dictionary of NumPy arrays, to the next."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from mlx_impl.conditioning.conditioner import Conditioner
from mlx_impl.conditioning.mel import PROMPT_RATE
from mlx_impl.conditioning.trim import trimmed
from mlx_impl.ode import Observe, unobserved
from spec.config import check_wave

State = dict[str, np.ndarray]


def run_trim(model: Conditioner, state: State, observe: Observe = unobserved) -> State:
    """`voice_16 (1, N)`, at 16 kHz -> the same without its silent ends."""
    wave = trimmed(_wave(model, state, "voice_16", model.voice_rate), observe)
    return state | {"trimmed_16": np.array(wave)}


def run_prompt(model: Conditioner, state: State, observe: Observe = unobserved) -> State:
    """`voice_24 (B, N)`, at 24 kHz -> what the flow continues: tokens, mel and x-vector."""
    prompt = model.prompt(_wave(model, state, "voice_24", PROMPT_RATE))
    return state | {
        "flow_prompt_tokens": np.array(observe("flow_prompt_tokens", prompt.tokens)),
        "prompt_mel": np.array(prompt.mel),
        "embedding": np.array(prompt.embedding),
    }


def run_speaker(model: Conditioner, state: State, observe: Observe = unobserved) -> State:
    """`voice_16` and `trimmed_16 (B, N)`, at 16 kHz -> what T3 imitates: tokens and speaker embedding."""
    voice = _wave(model, state, "voice_16", model.voice_rate)
    speaker = model.speaker(voice, _wave(model, state, "trimmed_16", model.voice_rate))
    return state | {
        "prompt_tokens": np.array(observe("prompt_tokens", speaker.tokens)),
        "voice": np.array(speaker.embedding),
    }


def _wave(model: Conditioner, state: State, name: str, rate: int) -> mx.array:
    wave = state[name]
    if wave.ndim != 2:
        raise ValueError(f"{name} has shape {wave.shape}, expected (B, N): give a batch of mono waves")
    check_wave(name, wave, rate)
    return mx.array(np.ascontiguousarray(wave)).astype(model.voice_encoder.encoder.proj.weight.dtype)
