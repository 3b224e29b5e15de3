"""Noise floors of the reference in float32, measured only where a verdict in double needs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from parity.base.metrics import rms
from parity.capture.handed import handed_on
from parity.capture.runner import Runner
from parity.capture.trace import Trace
from parity.contract import LOCAL, Contract, Segment, Tap
from parity.contract.axes import split
from parity.contract.implementation import Case, State, make_side
from parity.judge.floor import noise_floor

Floors = dict[tuple[str, str], float]
"""By tap and branch: RMSE of the reference in float32 over the RMS of the reference in double."""


class NoiseFloors:
    """The reference in float32, freely and teacher-forced, as the reference in double ran before it.

    It is made when it is first asked, and runs freely up to the segment that is asked for. `decided` are the decisions
    of the reference in double, which it follows.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        segments: list[Segment],
        decided: Mapping[str, np.ndarray],
        progress: Callable[[str], None],
    ):
        self.contract, self.case, self.checkpoint = contract, case, checkpoint
        self.segments, self.decided, self.progress = segments, decided, progress
        self.runner: Runner | None = None
        self.state: State = case.inputs
        self.next = 0

    def measure(self, number: int, mode: str, start: State, reference: Trace, wanted: Collection[str]) -> Floors:
        """The floors of these taps of segment `number`; `start` and `reference` are of the reference in double."""
        if self.runner is None:
            side = make_side(self.contract, "reference", self.checkpoint, self.case, "float32")
            self.runner = Runner(self.contract, "reference", side)
        segment, found = self.segments[number], Floors()

        def see(tap: Tap, array: np.ndarray) -> None:
            if tap.name not in wanted or array.shape != reference[tap.name].shape:
                return
            splits = dict(self.contract.splits)
            for (branch, ours), (_, exact) in zip(
                split(array, tap.axes, splits), split(reference[tap.name], tap.axes, splits), strict=True
            ):
                scale = rms(exact)
                found[tap.name, branch] = noise_floor(ours, exact) / scale if scale else math.nan

        if mode == LOCAL:
            self.progress(f"{segment.label}: noise floor, teacher-forced")
            left = self.runner.run(segment, start, see, forced=reference)
            for tap, array in handed_on(self.contract, segment, start, left, wanted):
                see(tap, array)
            return found
        while self.next <= number:
            earlier = self.segments[self.next]
            self.progress(f"{earlier.label}: noise floor")
            visit = see if self.next == number else _unseen
            given, self.state = self.state, self.runner.run(earlier, self.state, visit, forced=self.decided)
            for tap, array in handed_on(self.contract, earlier, given, self.state, wanted):
                visit(tap, array)
            self.next += 1
        return found

    def release(self) -> None:
        """Let go of the weights."""
        if self.runner is not None:
            self.runner.side.release()


def _unseen(tap: Tap, array: np.ndarray) -> None:
    """Nothing is measured."""
