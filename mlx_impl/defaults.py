"""What is taken where nothing is said.

Upstream: `generate` in `chatterbox/tts.py` and `mtl_tts.py`, with the number of speech tokens that they allow, and
`n_cfm_timesteps` in `models/s3gen/s3gen.py`.
"""

from __future__ import annotations

import numpy as np

from spec.config import SamplingConfig, T3Config

EMOTION = 0.5  # upstream's exaggeration
STEPS = 10  # of the ODE


def sampling(config: T3Config) -> SamplingConfig:
    """How T3 is sampled. The second multilingual release, the one that is watched, is told to repeat itself less."""
    return SamplingConfig(
        guidance=0.5,
        repetition_penalty=2.0 if config.watched else 1.2,
        temperature=0.8,
        min_p=0.05,
        top_p=1.0,
        max_tokens=1000,
    )


def values(config: T3Config) -> np.ndarray:
    """All of them, `(8,)`: emotion, guidance, repetition penalty, temperature, min-p, top-p, tokens, steps."""
    said = sampling(config)
    cuts = said.min_p, said.top_p
    return np.array([EMOTION, said.guidance, said.repetition_penalty, said.temperature, *cuts, said.max_tokens, STEPS])
