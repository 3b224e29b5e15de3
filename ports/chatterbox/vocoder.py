"""Subjects of the vocoder: f0, the source with given draws, the wave of a given source, and the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
from torch import Tensor

from ports.chatterbox.subject import CONFIG, Arrays, Subject, checkpoint
from reference.vocoder import Vocoder
from reference.vocoder.source import SourceModule
from reference.vocoder.vocoder import fade_in
from reference.weights.vocoder import load_vocoder, vocoder_parameter_name

SAMPLES, HARMONICS = CONFIG.vocoder.frame_samples, CONFIG.vocoder.harmonics
FRAMES = (1, 2, 3)
DRAWS = ("phase", "noise", "unread")
"""As upstream draws them: the third, of the noise branch, is read by nobody."""


def vocoder(weights: Mapping[str, float] | None = None) -> Vocoder:
    """Made anew each time: in double its weights' norms are folded in double. `weights` as those of a subject."""
    made = load_vocoder(checkpoint("s3gen"), CONFIG.vocoder)
    for key, value in (weights or {}).items():
        made.get_parameter(vocoder_parameter_name(key.removeprefix("mel2wav."))).fill_(value)
    return made


def phases(given: Arrays) -> Tensor:
    """Uniform numbers `(B, 9, 1)` -> phases in rad."""
    return (2 * given["phase"][..., 0] - 1) * math.pi


def source(module: SourceModule, given: Arrays) -> Tensor:
    """f0 in Hz `(B, M)` -> the source `(B, 1, 480 M)`."""
    return module(given["f0"], phases(given), given["noise"])


def faded(wave: Tensor) -> Tensor:
    """The wave `(1, N)` without what is left of the prompt at its start."""
    return fade_in(wave, CONFIG.vocoder.sample_rate)


def finished(kind: type, wave: Any) -> Any:
    """What the inference of a port's class makes of a given wave."""
    with mock.patch.multiple(kind, flow_inference=mock.Mock(), hift_inference=lambda *_: (wave, None)):
        return kind().inference(None, {})[0]


def whole(vocoder: Vocoder, given: Arrays) -> tuple[Tensor, Tensor]:
    """Mel -> the wave and its source."""
    return vocoder(given["mel"], phases(given), given["noise"])


def _inputs(*names: str) -> Iterator[dict[str, np.ndarray]]:
    for frames in FRAMES:
        generator = np.random.default_rng((2, frames))
        samples = SAMPLES * frames
        pitch = generator.uniform(80, 400, (1, frames))
        pitch[:, 1::2] = 0  # frames without a voice
        made = {
            "mel": 2 * generator.standard_normal((1, 80, frames), np.float32) - 5,
            "f0": pitch.astype(np.float32),
            "source": 0.1 * generator.standard_normal((1, 1, samples), np.float32),
            "phase": generator.random((1, HARMONICS, 1), np.float32),
            "noise": generator.standard_normal((1, HARMONICS, samples), np.float32),
            "unread": generator.standard_normal((1, samples, 1), np.float32),
        }
        yield {name: made[name] for name in names}


def _waves() -> Iterator[dict[str, np.ndarray]]:
    for samples in (960, 1200, 1501):
        yield {"wave": np.random.default_rng(samples).standard_normal((1, samples), np.float32) / 10}


PARTS = ("vocoder/f0", "vocoder/source", "vocoder/wave")
WAVE = Subject("vocoder/wave", lambda: vocoder().generator, None, list(_inputs("mel", "source")))


def snake(alpha: float) -> Subject:
    """The wave with all alphas of the first residual block's first activation."""
    weights = {"mel2wav.resblocks.0.activations1.0.alpha": alpha}
    name = f"{WAVE.name}, a Snake alpha near 0"
    return replace(WAVE, name=name, make=lambda: vocoder(weights).generator, inputs=WAVE.inputs[:1], weights=weights)


SUBJECTS = (
    Subject("vocoder/f0", lambda: vocoder().f0_predictor, None, list(_inputs("mel"))),
    Subject("vocoder/source", lambda: vocoder().source, source, list(_inputs("f0", *DRAWS)), DRAWS),
    WAVE,
    snake(2.0**-17),
    Subject("vocoder/whole", lambda: vocoder(), whole, list(_inputs("mel", *DRAWS)), DRAWS, within=PARTS),
    Subject("vocoder/fade", lambda: faded, None, list(_waves())),
)
