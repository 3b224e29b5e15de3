"""Subjects of T3 at full width, with two of its layers: the prefix, the scores of each step, what is drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ports.chatterbox.subject import CONFIG, LAYERS, Arrays, Subject, checkpoint
from reference.t3 import T3
from reference.t3.generation import decode, prefill
from reference.t3.sampling import cut_min_p, cut_top_p, guide, penalize
from reference.weights.t3 import load_t3
from spec.config import SamplingConfig

TWO_LAYERS = replace(CONFIG, t3=replace(CONFIG.t3, blocks=LAYERS))
SAMPLING = SamplingConfig()
"""The default: temperature 0.8, min-p 0.05, no top-p."""

TOP_P = SamplingConfig(temperature=1, min_p=0, top_p=0.8)
BOTH = SamplingConfig(temperature=1, min_p=0.05, top_p=0.8)
CHOSEN = (4321, 4321)
"""The tokens that each loop is told to have drawn: one twice, which the repetition penalty counts once."""


@cache
def t3() -> T3:
    return load_t3(checkpoint("t3_cfg", config=TWO_LAYERS), TWO_LAYERS.t3)


def prefix(t3: T3, given: Arrays) -> Tensor:
    """Text `(1, L)`, prompt `(1, P)`, voice `(1, 256)`, emotion `(1,)` -> embeddings `(2, 34 + L + 2, 1024)`."""
    names = ("text", "prompt", "voice", "emotion")
    return t3.embed_prefix(*(given[name] for name in names), True)


def scores(t3: T3, given: Arrays) -> Tensor:
    """The same -> guided and penalised scores of each step `(3, 8194)`: the prefix's, and those after each token."""
    cache, tokens = t3.new_cache(), [CONFIG.t3.start_speech]
    names = ("text", "prompt", "voice", "emotion")
    logits = prefill(t3, *(given[name] for name in names), SAMPLING.guidance, cache)
    made = []
    for step, token in enumerate((*CHOSEN, 0), 1):
        made.append(penalize(guide(logits, SAMPLING.guidance), tokens, SAMPLING.repetition_penalty))
        tokens.append(token)
        if step <= len(CHOSEN):
            logits = decode(t3, torch.full_like(given["text"][:, :1], token), step, cache)
    return torch.cat(made)


def probabilities(scores: Tensor, sampling: SamplingConfig) -> Tensor:
    """Penalised scores `(1, V)` -> what a token is drawn from."""
    kept = cut_top_p(cut_min_p(scores / sampling.temperature, sampling.min_p), sampling.top_p)
    return kept.softmax(dim=-1)


def by_default(scores: Tensor) -> Tensor:
    return probabilities(scores, SAMPLING)


def by_top_p(scores: Tensor) -> Tensor:
    return probabilities(scores, TOP_P)


def by_both(scores: Tensor) -> Tensor:
    return probabilities(scores, BOTH)


def _inputs() -> Iterator[dict[str, np.ndarray]]:
    config = CONFIG.t3
    for text, prompt in ((1, 2), (2, 3), (4, 1)):
        generator = np.random.default_rng((3, text))
        words = generator.integers(1, config.start_text, (1, text))
        yield {
            "text": np.pad(words, ((0, 0), (1, 1)), constant_values=((0, 0), (config.start_text, config.stop_text))),
            "prompt": generator.integers(0, config.start_speech, (1, prompt)),
            "voice": generator.standard_normal((1, 256), np.float32) / 16,
            "emotion": generator.random(1, np.float32),
        }


def _scores() -> Iterator[dict[str, np.ndarray]]:
    for size in (50, 200, 1000):
        yield {"scores": 2 * np.random.default_rng(size).standard_normal((1, size), np.float32)}


SUBJECTS = (
    Subject("t3/prefix", t3, prefix, list(_inputs())),
    Subject("t3/scores", t3, scores, list(_inputs())),
    Subject("t3/sampling", lambda: by_default, None, list(_scores())),
    Subject("t3/top-p", lambda: by_top_p, None, list(_scores())),
    Subject("t3/min-p and top-p", lambda: by_both, None, list(_scores())),
)
