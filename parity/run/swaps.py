"""Crossed runs: each stage taken from either side, in every combination. A fault shows with whose stage it comes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from parity.capture.runner import Runner
from parity.capture.trace import Trace
from parity.contract import Contract, Segment, Tap
from parity.contract.implementation import State
from parity.judge.ties import Decisions
from parity.judge.verdict import Verdict
from parity.run.report import Swap


class Swaps:
    """The runs of one contract's `[swap]`, whose stages follow each other.

    At the ties of `decisions` every run follows the reference: what follows another decision cannot be compared.
    """

    def __init__(self, contract: Contract, segments: list[Segment], decisions: Decisions):
        self.contract, self.decisions = contract, decisions
        self.stages: list[str] = contract.swap["stages"]
        self.segments = {stage: [segment for segment in segments if segment.stage == stage] for stage in self.stages}
        self.known: dict[tuple[str, str, str], State] = {}

    def note(self, side: str, stage: str, start: State, end: State) -> None:
        """A side's run of a stage that need not be made again."""
        self.known[side, stage, digest(start)] = end

    def run(
        self,
        runners: Mapping[str, Runner],
        entry: State,
        verdict: Callable[[str, str, np.ndarray], Verdict],
        progress: Callable[[str], None],
    ) -> list[Swap]:
        """A verdict for each way to take the stages from the sides `runners`.

        `entry` is the reference's state before the first stage; `verdict` judges a tap, given the name and the value
        of it in the last state. A stage that is given the same state twice is run once.
        """
        reached: dict[tuple[str, ...], State] = {(): entry}
        for depth, stage in enumerate(self.stages):
            for side, runner in runners.items():
                for path in [path for path in reached if len(path) == depth]:
                    start = reached[path]
                    key = side, stage, digest(start)
                    if key not in self.known:
                        progress(f"swaps: {stage} of {side}")
                        self.known[key] = self._free(runner, stage, start)
                    reached[*path, side] = self.known[key]
                runner.side.release()
        tap, name = self.contract.swap["tap"], self.contract.swap["state"]
        return [
            Swap(dict(zip(self.stages, path, strict=True)), verdict(tap, name, reached[path][name]))
            for path in product(runners, repeat=len(self.stages))
        ]

    def _free(self, runner: Runner, stage: str, state: State) -> State:
        forced: Trace = {}

        def follow(tap: Tap, array: np.ndarray) -> None:
            forced.update(self.decisions.followed(tap.name, array))

        for segment in self.segments[stage]:
            state = runner.run(segment, state, follow, forced=forced)
        return state


def digest(state: State) -> str:
    """The same for states of equal names, shapes, dtypes and bits."""
    sha = hashlib.sha256()
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        sha.update(f"{name} {array.dtype} {array.shape}".encode())
        sha.update(array.data)
    return sha.hexdigest()
