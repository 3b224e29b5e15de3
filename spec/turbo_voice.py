"""An audio file to the voices that Turbo's and Nano's conditioning starts from: at one loudness, and longer ones.

Upstream: `chatterbox/tts_turbo.py` (`prepare_conditionals`, `norm_loudness`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spec.audio import PROMPT_RATE, PROMPT_SECONDS, VOICE_RATE, Voice, load_voice, resample
from spec.config import check_wave
from spec.loudness import at_loudness

LOUDNESS = -27.0  # LUFS
SHORTEST = 5  # s; a voice is longer
T3_SECONDS = 15


def load_turbo_voice(file: Path, warn: Callable[[str], object] = warnings.warn) -> Voice:
    """The voices of an audio file, as `load_voice`. Raises `ValueError` as it does, and for 5 s or less."""
    return load_voice(file, warn, turbo_voice_of)


def turbo_voice_of(samples: np.ndarray, rate: int) -> Voice:
    """The voices of a mono recording `(N,)`. Raises `ValueError` as `check_wave` does, and for 5 s or less."""
    check_wave("the recording", samples, rate)
    voice_24 = resample(samples.astype(np.float32), rate, PROMPT_RATE)
    if (seconds := len(voice_24) / PROMPT_RATE) <= SHORTEST:
        raise ValueError(
            f"the recording has {seconds:.2f} s, expected more than {SHORTEST} s: Turbo and Nano take no shorter voice"
        )
    voice_24 = at_loudness(voice_24, PROMPT_RATE, LOUDNESS)
    voice_16 = resample(voice_24, PROMPT_RATE, VOICE_RATE)
    return Voice(
        voice_24=voice_24[: PROMPT_SECONDS * PROMPT_RATE],
        voice_16=voice_16[: T3_SECONDS * VOICE_RATE],
        whole_16=voice_16,
    )
