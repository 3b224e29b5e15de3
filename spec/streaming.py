"""How speech is streamed: over which tokens the flow is run, and over how many frames the vocoder. No framework.

Upstream has no stream. CosyVoice2, whose flow and vocoder these are, runs the flow over all tokens so far, again and
again, as `prefixes` does (`CosyVoice2Model.tts`, `token2wav`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spec.config import SamplingConfig
from spec.draws import Draws


@dataclass(frozen=True)
class StreamConfig:
    """When audio comes, and whether it is that of the whole run.

    Every mel frame depends on every token, by the attention of encoder and decoder. By default the flow is therefore
    run once, over all tokens, and only the vocoder streams: the audio is that of the whole run. With `prefixes` the
    flow is run while T3 speaks, over the tokens so far. Audio then comes after `first` tokens, what was said stays
    said, and the audio is not that of the whole run: docs/streaming.md.

    Each run is over everything so far. With equal chunks a long text would cost the square of its length; each is
    `growth` times as long as the one before it. A prefix of T tokens gives 2 (T - 3) frames, and the vocoder says
    all but the last 20: 25 tokens are 0.48 s of audio. The vocoder takes `frames` at a time, 1 s, and makes 30 more
    each time, which the samples of these depend on.
    """

    prefixes: bool = False
    first: int = 25
    growth: float = 2.0
    frames: int = 50

    def __post_init__(self) -> None:
        if self.first < 4 or not 1 <= self.growth < math.inf or self.frames < 1:
            raise ValueError(
                f"first is {self.first}, growth {self.growth} and frames {self.frames}; expected at least 4 tokens, of "
                "which the encoder withholds 3, a growth from 1, and at least 1 frame"
            )

    def lengths(self) -> Iterator[int]:
        """The tokens of each prefix: with the defaults 25, 75, 175, ..."""
        total, chunk = 0, float(self.first)
        while True:
            total += round(chunk)
            yield total
            chunk *= self.growth


def mel_pieces(
    side: Any,
    text: str,
    conditions: Mapping[str, np.ndarray],
    sampling: SamplingConfig,
    draws: Draws,
    language: str | None,
    steps: int | None,
    config: StreamConfig,
) -> Iterator[tuple[np.ndarray, bool]]:
    """The mel of a side's `Chatterbox.stream`: frames `(1, C, m)`, and whether they are the last.

    A start token amid the speech, at which the whole run begins anew, is dropped with `prefixes` like other specials:
    what was said cannot be taken back.
    """
    for mel, last in _mels(side, text, conditions, sampling, draws, language, steps, config):
        for start in range(0, mel.shape[2], config.frames):
            end = start + config.frames
            yield mel[:, :, start:end], last and end >= mel.shape[2]


def _mels(
    side: Any,
    text: str,
    conditions: Mapping[str, np.ndarray],
    sampling: SamplingConfig,
    draws: Draws,
    language: str | None,
    steps: int | None,
    config: StreamConfig,
) -> Iterator[tuple[np.ndarray, bool]]:
    """What each run of the flow adds."""
    made = 0
    if config.prefixes:
        tokens: list[int] = []
        lengths = config.lengths()
        due = next(lengths)
        for token in side.each_token(text, conditions, sampling, draws, language):
            if token >= side.config.t3.start_speech:
                continue
            tokens.append(token)
            if len(tokens) == due:
                mel = side.mel(tokens, conditions, draws, steps, finalize=False)
                yield mel[:, :, made:], False
                made, due = mel.shape[2], next(lengths)
    else:
        tokens = side.tokens(text, conditions, sampling, draws, language)
    yield side.mel(tokens, conditions, draws, steps)[:, :, made:], True
