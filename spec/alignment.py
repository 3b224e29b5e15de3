"""Where in the text the speech is, and what that says of its end: the checks of the multilingual model. No framework.

Some heads of T3's backbone attend to the text that is being said. Both sides hand their attention to this one analyzer,
so that equal attention is an equal decision. Upstream: `chatterbox/models/t3/inference/alignment_stream_analyzer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

EXTREME = 2.0**15  # of a logit: what upstream sets it to, and representable in half precision
ON_END, ON_START, TAIL, REPEATED = 0.1, 0.5, 5.0, 5.0  # the limits of what is measured, in this order
FORBIDDEN, FREE, FORCED = -1, 0, 1  # what becomes of the stop token

Observe = Callable[[str, np.ndarray], np.ndarray]


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

    @property
    def end(self) -> int:
        """`FORCED`, `FORBIDDEN` or `FREE`."""
        return FORCED if self.stop_forced else FORBIDDEN if self.stop_forbidden else FREE


class AlignmentAnalyzer:
    """Follows one utterance of a text of `length` tokens, its start and stop among them."""

    def __init__(self, length: int):
        self.alignment = np.zeros((0, length), np.float32)  # (T, L): frames, the first step's two among them
        self.steps = 0
        self.position = 0
        self.started = False
        self.completed_at: int | None = None  # a number of frames

    @classmethod
    def resumed(cls, state: Mapping[str, np.ndarray]) -> AlignmentAnalyzer:
        """As the one that left this state; in a state that none has left yet, one for its `text_tokens (1, L)`."""
        analyzer = cls(state["text_tokens"].shape[1])
        if "alignment" not in state:
            return analyzer
        analyzer.alignment = state["alignment"]
        analyzer.steps, analyzer.position, started, completed_at = state["followed"].tolist()
        analyzer.started, analyzer.completed_at = bool(started), completed_at or None
        return analyzer

    def state(self) -> dict[str, np.ndarray]:
        """What another analyzer needs to go on: the `alignment` so far, and numbers, of which 0 is no completion."""
        numbers = (self.steps, self.position, self.started, self.completed_at or 0)
        return {"alignment": self.alignment, "followed": np.array(numbers, np.int64)}

    def step(
        self, attention: np.ndarray, previous: Sequence[int], observe: Observe = lambda name, value: value
    ) -> Alignment:
        """Mean attention `(T, L)` of the new frames to the text, and all tokens so far, speech's start too.

        A frame sees no further text than its step's number, so that the start of the text is said first. In the first
        step there are two frames, as speech's start is there twice. Text of at most 5 tokens is never forbidden to end
        nor found repeated: upstream does the first, and fails with an error at the second.

        What `observe` gives back counts. It is given what is decided on and what is decided: the `attention` that is
        seen, and the `place` of its highest; the `measures` that have limits, and which are beyond them (`found`).
        """
        length = self.alignment.shape[1]
        new = np.array(attention)
        new[:, self.steps + 1 :] = 0
        new = observe("attention", new)
        self.steps += 1
        self.alignment = seen = np.concatenate([self.alignment, new])
        at = int(observe("place", new[-1:].argmax(axis=-1))[0])
        discontinuity = not -4 < at - self.position < 7
        if not discontinuity:
            self.position = at
        if self.completed_at is None and self.position >= length - 3:
            self.completed_at = len(seen)
        complete = self.completed_at is not None
        after = seen[self.completed_at :] if complete else seen[:0]
        figures = (
            seen[-2:, -2:].max(),
            seen[:, :4].max(),
            after[:, -3:].sum(axis=0).max(),
            after[:, :-5].max(axis=1, initial=0).sum(),
        )
        on_end, on_start, tail, repeated = observe("measures", np.array(figures))
        beyond = np.array([on_end > ON_END, on_start < ON_START, tail >= TAIL, repeated > REPEATED], np.int64)
        late, weak, long_tail, repetition = observe("found", beyond).astype(bool).tolist()
        false_start = not self.started and (late or weak)
        self.started = not false_start
        return Alignment(
            position=self.position,
            false_start=false_start,
            discontinuity=discontinuity,
            complete=complete,
            unfinished=at < length - 3 and length > 5,
            long_tail=long_tail,
            repetition=repetition,
            token_repetition=len(previous) >= 3 and previous[-1] == previous[-2],
        )
