"""Subjects of the vocoder: f0, the source with given draws, the wave of a given source, and the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from torch import Tensor

from ports.chatterbox.subject import CONFIG, Arrays, Subject, checkpoint
from reference.vocoder import Vocoder
from reference.weights.vocoder import load_vocoder

SAMPLES, HARMONICS = CONFIG.vocoder.frame_samples, CONFIG.vocoder.harmonics
FRAMES = (3, 4, 6)
DRAWS = ("phase", "noise", "unread")
"""As upstream draws them: the third, of the noise branch, is read by nobody."""


@cache
def vocoder() -> Vocoder:
    return load_vocoder(checkpoint("s3gen"), CONFIG.vocoder)


def phases(given: Arrays) -> Tensor:
    """Uniform numbers `(B, 9, 1)` -> phases in rad."""
    return (2 * given["phase"][..., 0] - 1) * math.pi


def f0(vocoder: Vocoder, given: Arrays) -> Tensor:
    """Mel `(B, 80, M)` -> f0 in Hz `(B, M)`."""
    return vocoder.f0_predictor(given["mel"])


def source(vocoder: Vocoder, given: Arrays) -> Tensor:
    """f0 in Hz `(B, M)` -> the source `(B, 1, 480 M)`."""
    return vocoder.source(given["f0"], phases(given), given["noise"])


def wave(vocoder: Vocoder, given: Arrays) -> Tensor:
    """Mel and its source -> the wave `(B, 480 M)`."""
    return vocoder.generator(given["mel"], given["source"])


def whole(vocoder: Vocoder, given: Arrays) -> tuple[Tensor, Tensor]:
    """Mel -> the wave and its source."""
    return vocoder(given["mel"], phases(given), given["noise"])


def _inputs(*names: str) -> Iterator[dict[str, np.ndarray]]:
    for frames in FRAMES:
        generator = np.random.default_rng((2, frames))
        samples = SAMPLES * frames
        pitch = generator.uniform(80, 400, (1, frames))
        pitch[:, 1] = 0  # a frame without a voice
        made = {
            "mel": 2 * generator.standard_normal((1, 80, frames), np.float32) - 5,
            "f0": pitch.astype(np.float32),
            "source": 0.1 * generator.standard_normal((1, 1, samples), np.float32),
            "phase": generator.random((1, HARMONICS, 1), np.float32),
            "noise": generator.standard_normal((1, HARMONICS, samples), np.float32),
            "unread": generator.standard_normal((1, samples, 1), np.float32),
        }
        yield {name: made[name] for name in names}


SUBJECTS = (
    Subject("vocoder/f0", vocoder, f0, list(_inputs("mel"))),
    Subject("vocoder/source", vocoder, source, list(_inputs("f0", *DRAWS)), DRAWS),
    Subject("vocoder/wave", vocoder, wave, list(_inputs("mel", "source"))),
    Subject("vocoder/whole", vocoder, whole, list(_inputs("mel", *DRAWS)), DRAWS),
)
