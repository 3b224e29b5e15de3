"""A `conds.pt` in the published format: a voice that a model of a configuration can take, made of noise.

It is what `torch.save` writes of upstream's `Conditionals`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from spec.config import ChatterboxConfig
from spec.files.torch_writer import write_torch_file

SECONDS = 4  # of the recording that it could have been made from


def write_voice(file: Path, config: ChatterboxConfig) -> None:
    """Write the voice of a configuration, the same bytes everywhere, whole or not at all."""
    tokens = min(25 * SECONDS, config.t3.prompt_tokens)
    frames = config.flow.encoder.stride * tokens
    speaker = np.maximum(noise("speaker_emb", (1, config.t3.speaker_width)), 0)  # a rectified vector of length 1
    voice = {
        "t3": {
            "speaker_emb": speaker / np.sqrt(np.sum(speaker * speaker)),
            "clap_emb": None,
            "cond_prompt_speech_tokens": speech("cond_prompt_speech_tokens", tokens, config),
            "cond_prompt_speech_emb": None,
            "emotion_adv": np.full((1, 1, 1), 0.5, np.float32),
        },
        "gen": {
            "prompt_token": speech("prompt_token", tokens, config),
            "prompt_token_len": np.array([tokens]),
            "prompt_feat": 2 * noise("prompt_feat", (1, frames, config.flow.mel_bins)) - 5,  # a log mel, mostly
            "prompt_feat_len": None,
            "embedding": noise("embedding", (1, config.flow.speaker_width)),
        },
    }
    write_torch_file(file, voice)


def generator(name: str) -> np.random.Generator:
    key = hashlib.sha256(f"conds.{name}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return generator(name).standard_normal(shape, dtype=np.float32)


def speech(name: str, tokens: int, config: ChatterboxConfig) -> np.ndarray:
    return generator(name).integers(0, config.flow.encoder.vocab_size, (1, tokens), dtype=np.int64)
