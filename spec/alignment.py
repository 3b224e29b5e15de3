"""Where in the text the speech is, and what that says of its end: the checks of the multilingual model. No framework.

Some heads of T3's backbone attend to the text that is being said. Both sides hand their attention to this one analyzer,
so that equal attention is an equal decision. Upstream: `chatterbox/models/t3/inference/alignment_stream_analyzer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EXTREME = 2.0**15  # of a logit: what upstream sets it to, and representable in half precision


@dataclass(frozen=True)
class Alignment:
    """What a step found. `false_start`, `discontinuity` and `complete` do nothing by themselves, as upstream.

    `false_start`: speech has not begun yet: some attention is on the end of the text, or too little on its start.
    `discontinuity`: the attention jumped, so that `position` stays. `complete`: it has been at the end, or is.
    `unfinished`: it is before the end. `long_tail`: it has been at the end for long. `repetition`: after the end, it is
    back at what was said. `token_repetition`: the last two tokens are the same.
    """

    position: int
    false_start: bool
    discontinuity: bool
    complete: bool
    unfinished: bool
    long_tail: bool
    repetition: bool
    token_repetition: bool

    @property
    def stop_forced(self) -> bool:
        """The stop token is the next, whatever else is found."""
        return self.long_tail or self.repetition or self.token_repetition

    @property
    def stop_forbidden(self) -> bool:
        return self.unfinished and not self.stop_forced


class AlignmentAnalyzer:
    """Follows one utterance of a text of `length` tokens, its start and stop among them."""

    def __init__(self, length: int):
        self.alignment = np.zeros((0, length), np.float32)  # (T, L): frames, the first step's two among them
        self.steps = 0
        self.position = 0
        self.started = False
        self.completed_at: int | None = None  # a number of frames

    def step(self, attention: np.ndarray, previous: Sequence[int]) -> Alignment:
        """Mean attention `(T, L)` of the new frames to the text, and all tokens so far, speech's start too.

        A frame sees no further text than its step's number, so that the start of the text is said first. In the first
        step there are two frames, as speech's start is there twice. Text of at most 5 tokens is never forbidden to end
        nor found repeated: upstream does the first, and fails with an error at the second.
        """
        length = self.alignment.shape[1]
        new = np.array(attention)
        new[:, self.steps + 1 :] = 0
        self.steps += 1
        self.alignment = seen = np.concatenate([self.alignment, new])
        at = int(new[-1].argmax())
        discontinuity = not -4 < at - self.position < 7
        if not discontinuity:
            self.position = at
        false_start = not self.started and bool(seen[-2:, -2:].max() > 0.1 or seen[:, :4].max() < 0.5)
        self.started = not false_start
        if self.completed_at is None and self.position >= length - 3:
            self.completed_at = len(seen)
        complete = self.completed_at is not None
        after = seen[self.completed_at :] if complete else seen[:0]
        return Alignment(
            position=self.position,
            false_start=false_start,
            discontinuity=discontinuity,
            complete=complete,
            unfinished=at < length - 3 and length > 5,
            long_tail=bool(after[:, -3:].sum(axis=0).max() >= 5),
            repetition=bool(after[:, :-5].max(axis=1, initial=0).sum() > 5),
            token_repetition=len(previous) >= 3 and previous[-1] == previous[-2],
        )
