"""The candidate's own floor: its program run in double, and again with every result rounded to float32 at random.

It is measured only where a verdict rests on it. Teacher-forced, each block gets the float32 reference's values, as the
device did; freely, both go on from their own state and follow the decisions that the device's run followed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.metrics import rmse
from parity.capture.handed import completed, handed_on
from parity.capture.runner import Runner
from parity.capture.trace import DiskTrace, Trace, copied, keep
from parity.contract import ACCUMULATED, LOCAL, Contract, Segment, Tap
from parity.contract.axes import split
from parity.contract.implementation import Case, State, make_side
from parity.exact.rounding import RUNS, Rounding
from parity.judge.arithmetic import Key

Rounded = Callable[[Rounding], AbstractContextManager[None]]
Around = Callable[[], AbstractContextManager[Any]]
Wanted = Mapping[str, Collection[str]]
"""Of each mode, names of taps."""
Fed = Callable[[list[int]], Iterable[tuple[int, State, Trace]]]
"""Of the segments of a stage, by number: the float32 reference's state before each, and its taps."""


@contextmanager
def in_double(contract: Contract, case: Case, checkpoint: Path) -> Iterator[tuple[Runner, Rounded, Around]]:
    """The candidate with its framework in double, what rounds the results within, and where it runs."""
    if contract.sides["candidate"]["framework"] == "torch":
        from parity.exact.torch import rounding, widened

        with widened():
            candidate = Runner(contract, "candidate", make_side(contract, "candidate", checkpoint, case, "float64"))
        yield candidate, rounding.rounded, widened
        return
    from parity.exact.rounding.standin import rounded
    from parity.exact.standin import installed

    with installed():
        side = make_side(contract, "candidate", checkpoint, case, "float32")
        yield Runner(contract, "candidate", side), rounded, nullcontext


class Again:
    """The float32 reference run again, segment by segment, for what a candidate is fed with.

    Of the stages that the contract names as `in_turn` all is run first, and the weights are let go of: the two sides'
    are never held together.
    """

    def __init__(self, contract: Contract, case: Case, segments: list[Segment], runner: Runner):
        self.contract, self.segments, self.runner = contract, segments, runner
        self.state: State = case.inputs

    def __call__(self, numbers: list[int]) -> Iterator[tuple[int, State, Trace]]:
        """The segments of a stage: each with the reference's state before it, and the reference's taps in it."""
        if self.segments[numbers[0]].stage not in self.contract.in_turn:
            for number in numbers:
                start, trace = self.state, dict[str, np.ndarray]()
                self.state = self.runner.run(self.segments[number], start, keep(trace))
                yield number, start, trace
            self.runner.side.release()
            return
        with tempfile.TemporaryDirectory(prefix="parity-") as folder:
            stored: list[tuple[int, DiskTrace, DiskTrace]] = []
            for number in numbers:
                before, taps = (DiskTrace(Path(folder, str(number), what)) for what in ("start", "reference"))
                before.update(self.state)
                self.state = self.runner.run(self.segments[number], self.state, keep(taps))
                stored.append((number, before, taps))
            self.runner.side.release()
            for number, before, taps in stored:
                yield number, copied(before), taps


class OwnFloors:
    """Measures the own floors of wanted taps, segment by segment. `fed` gives what the segments of a stage are fed."""

    def __init__(
        self,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        segments: list[Segment],
        fed: Fed,
        progress: Callable[[str], None] = lambda message: None,
    ):
        self.contract, self.case, self.checkpoint, self.segments = contract, case, checkpoint, segments
        self.fed, self.progress = fed, progress
        self.decided: dict[str, np.ndarray] = {}
        self.found: dict[Key, float] = {}

    def measure(self, wanted: Wanted, spared: Mapping[str, Collection[str]] | None = None) -> dict[Key, float]:
        """The own floor of each branch of a wanted tap: the largest RMSE of `RUNS` runs against the one in double.

        The stages of `spared` are not run freely: the state goes on with the reference's values of what each makes.
        """
        spared = spared or {}
        free, last = (
            max((number for number, segment in enumerate(self.segments) if _of(segment, names)), default=-1)
            for names in (wanted[ACCUMULATED], {*wanted[ACCUMULATED], *wanted[LOCAL]})
        )
        states = [self.case.inputs] * (RUNS + 1)
        before: Segment | None = None
        with in_double(self.contract, self.case, self.checkpoint) as (self.candidate, self.rounded, self.around):
            for stage, group in groupby(range(last + 1), key=lambda number: self.segments[number].stage):
                for number, start, trace in self.fed(list(group)):
                    segment = self.segments[number]
                    states = [self._behind(before, segment, state, start, spared) for state in states]
                    before = segment
                    if self.contract.unported(segment):
                        states = [{} for _ in states]  # the next goes on from the reference's state
                        continue
                    made = {tap.name: np.array(trace[tap.name]) for tap in segment.taps if self.contract.decision(tap)}
                    self.decided |= made
                    if names := _of(segment, wanted[LOCAL]):
                        self._measure(LOCAL, segment, names, [start] * (RUNS + 1), trace)
                    if number <= free and stage not in spared:
                        names = _of(segment, wanted[ACCUMULATED])
                        states = self._measure(ACCUMULATED, segment, names, states, self.decided)
                self.candidate.side.release()
        return self.found

    def _behind(
        self,
        before: Segment | None,
        segment: Segment,
        state: State,
        start: State,
        spared: Mapping[str, Collection[str]],
    ) -> State:
        """The state that a run goes on with to a segment; `start` is the reference's there."""
        if before is None:
            return state
        if before.stage not in spared:
            return completed(self.contract, before, state, start)
        if before.stage == segment.stage:
            return state
        made = spared[before.stage]
        return {entry: array if entry in made else state[entry] for entry, array in start.items()}

    def _measure(
        self, mode: str, segment: Segment, names: Collection[str], states: list[State], given: Mapping[str, np.ndarray]
    ) -> list[State]:
        """Run a segment in double and `RUNS` times rounded, each from its own state; the states behind it."""
        self.progress(f"{segment.label}: own floor, {mode}")
        exact: Trace = {}
        see = keep(exact, names)
        with self.around():
            behind = [self.candidate.run(segment, states[0], see, forced=given)]
        for tap, array in handed_on(self.contract, segment, states[0], behind[0], names):
            see(tap, array)

        def compare(tap: Tap, array: np.ndarray) -> None:
            if tap.name not in names or array.shape != exact[tap.name].shape:
                return
            splits = dict(self.contract.splits)
            both = zip(split(array, tap.axes, splits), split(exact[tap.name], tap.axes, splits), strict=True)
            for (branch, ours), (_, theirs) in both:
                key = mode, tap.name, branch
                self.found[key] = max(self.found.get(key, 0.0), rmse(ours, theirs))

        for number, state in enumerate(states[1:]):
            with self.around(), self.rounded(Rounding(f"{self.case.name} {segment.label} {mode}", number)):
                behind.append(self.candidate.run(segment, state, compare, forced=given))
            for tap, array in handed_on(self.contract, segment, state, behind[-1], names):
                compare(tap, array)
        return behind


def _of(segment: Segment, wanted: Collection[str]) -> set[str]:
    """The wanted taps of a segment, and what is wanted of what it hands on."""
    return {name for name in wanted if segment.holds(name)}
