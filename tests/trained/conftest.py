"""Trained weights from wheels, as files that both sides read, and real speech."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.voice import spoken_voice
from parity.base.runtime import prepare
from spec.files.checkpoint import VE
from spec.files.safetensors_file import Entry, write_file
from spec.watermark.weights import FILE
from tests.trained.wheels import (
    PERTH,
    PERTH_FILE,
    PERTH_WEIGHTS,
    RESEMBLYZER,
    RESEMBLYZER_FILE,
    RESEMBLYZER_WEIGHTS,
    content,
)

prepare()  # before MLX: full float32, and on Linux a BLAS that is forty times as fast as the wheel's own

KINDS = [
    "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "adam", "belinda", "caleb", "linda",
    "quincy", "steph", "zac",
]  # fmt: skip
VOICES = [f"en-us+{kind}" for kind in KINDS]
"""Of espeak-ng: twenty speakers."""
WORDS = [
    "amber", "basil", "cedar", "delta", "ember", "fable", "gravel", "harbor", "ivory", "juniper", "kettle", "lantern",
    "meadow", "nickel", "orchid",
]  # fmt: skip


def sentence(number: int) -> str:
    """One of many, each of other words."""
    picked = [WORDS[(number * step + step) % len(WORDS)] for step in (1, 2, 4, 7)]
    return f"Number {number}: {picked[0]} and {picked[1]} behind the {picked[2]} {picked[3]}."


def speech(number: int, seconds: float | None = None) -> np.ndarray:
    """At 22050 Hz: each sentence in the next voice."""
    return spoken_voice(sentence(number), seconds, VOICES[number % len(VOICES)])


@pytest.fixture(scope="session")
def perth_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("perth") / FILE
    file.write_bytes(content(PERTH, PERTH_FILE, PERTH_WEIGHTS))
    return file


@pytest.fixture(scope="session")
def resemblyzer() -> Mapping[str, torch.Tensor]:
    """By the keys of `ve.safetensors`. The file is of before the zip: PyTorch's restricted reader takes it."""
    saved = torch.load(
        io.BytesIO(content(RESEMBLYZER, RESEMBLYZER_FILE, RESEMBLYZER_WEIGHTS)), map_location="cpu", weights_only=True
    )
    return {key.replace("linear.", "proj."): tensor.detach() for key, tensor in saved["model_state"].items()}


@pytest.fixture(scope="session")
def voice_encoder(resemblyzer: Mapping[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a `ve.safetensors`."""
    folder = tmp_path_factory.mktemp("voice-encoder")
    entries = {Entry(key, "F32", tuple(tensor.shape)): tensor.numpy() for key, tensor in resemblyzer.items()}
    write_file(folder / VE, entries, lambda entry: entries[entry])
    return folder
