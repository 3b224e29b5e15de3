"""Trained weights from wheels, as files that both sides read, and real speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures import trained_checkpoint
from fixtures.voice import spoken_voice
from parity.base.runtime import prepare
from spec.watermark.weights import FILE

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
def checkpoint() -> Path:
    """A directory with both sides' files of trained weights."""
    return trained_checkpoint.checkpoint()


@pytest.fixture(scope="session")
def perth_file(checkpoint: Path) -> Path:
    return checkpoint / FILE
