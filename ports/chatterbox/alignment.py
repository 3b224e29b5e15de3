"""Subjects of T3's loop without its backbone, whose logits and attention are given.

`t3/loop` has the scores of each step, and `t3/stop` what the watch over attention makes of the stop token's score.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ports.chatterbox.subject import CONFIG, Subject
from ports.chatterbox.t3 import CHOSEN, SAMPLING
from reference.t3.generation import amend
from reference.t3.sampling import guide, penalize
from spec.alignment import AlignmentAnalyzer

LENGTH = 9
"""Tokens of the text."""

VOCABULARY, STOP = 16, 3

DIAGONAL = (0, *range(10))
"""Where the attention is of a speech that goes on by a token of the text in each frame: its start is there twice."""


def on(*places: int, weak: int = 0) -> np.ndarray:
    """Attention `(frames, LENGTH)`, all of it on these tokens of the text; that of the last, `weak` frames is 0.01."""
    rows = np.eye(LENGTH, dtype=np.float32)[list(places)]
    rows[len(rows) - weak :] *= np.float32(0.01)
    return rows


WATCHED = {
    1: (on(0, 8), ()),
    3: (on(*DIAGONAL[:4]), (9, 9)),
    4: (on(*DIAGONAL[:5]), (5, 9, 9)),
    10: (on(*DIAGONAL[:8], 7, 7, 7, weak=3), tuple(range(20, 29))),
}
"""By the number of steps: attention, of two frames in the first step and one in each other, and tokens before each."""


def stops(scores: Tensor) -> Tensor:
    """Scores of each step `(steps, V)` -> the same, with the stop token forced or forbidden."""
    attention, tokens = WATCHED[len(scores)]
    analyzer, made = AlignmentAnalyzer(LENGTH), []
    for step in range(len(scores)):
        frames = attention[0 if step == 0 else step + 1 : step + 2]
        found = analyzer.step(frames, [CONFIG.t3.start_speech, *tokens[:step]])
        made.append(amend(scores[step : step + 1], STOP, found))
    return torch.cat(made)


def looped(logits: Tensor) -> Tensor:
    """Logits of each step `(steps, 2, V)`, with and without the text -> guided and penalised scores `(steps, V)`."""
    tokens, made = [CONFIG.t3.start_speech], []
    for step, token in enumerate((*CHOSEN, 0)):
        guided = guide(logits[step], SAMPLING.guidance)
        made.append(penalize(guided, tokens, SAMPLING.repetition_penalty))
        tokens.append(token)
    return torch.cat(made)


def _case(name: str, steps: int) -> Subject:
    scores = np.random.default_rng((6, steps)).standard_normal((steps, VOCABULARY), np.float32)
    return Subject(f"t3/stop, {name}", lambda: stops, None, [{"scores": scores}])


LOGITS = np.random.default_rng(9).standard_normal((len(CHOSEN) + 1, 2, CONFIG.t3.speech_vocab_size), np.float32)
SUBJECTS = (
    Subject("t3/loop", lambda: looped, None, [{"logits": LOGITS}], within=("t3/scores",)),
    _case("attention ahead of the frame", 1),
    _case("two equal tokens at once", 3),
    _case("two equal tokens in mid-sentence", 4),
    _case("weak attention after the end", 10),
)
