"""Judging a candidate's taps as they appear: none is kept, and none may be missing or too many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from parity.capture.trace import Trace
from parity.contract import ACCUMULATED, HANDED, Contract, Rule, Segment, Tap
from parity.contract.axes import split
from parity.contract.implementation import Case
from parity.judge.floor import noise_floor
from parity.judge.snapshots import Gallery
from parity.judge.ties import Decisions, margins
from parity.judge.verdict import Verdict, absent, judge

EXTRA = "the reference has no such tap"
MISSING = "the candidate has no such tap, or not at this place of the flow"
KEPT = "the reference does not hand this on, or hands it on as it was given"
LOST = "the candidate does not hand this on"
JUDGES = ("reference", "exact", "rounded")
UNDECLARED = Rule("", "*", 0.0, 0.0, "no tap may be there that the contract does not declare")


class InOrder(ABC):
    """Takes the taps of a segment as they appear, then what it hands on: all that the reference's trace has, in order.

    Missing, extra and misplaced ones fail. Those that the contract does not have judged are let pass: `given` has the
    names of those that appear all the same.
    """

    def __init__(self, contract: Contract, segment: Segment, names: Iterable[str]):
        self.contract, self.segment = contract, segment
        self.waiting = [name for name in names if contract.unjudged(name) is None]
        self.given: list[str] = []

    def visit(self, tap: Tap, array: np.ndarray) -> None:
        """One tap of the candidate, in the reference's axes."""
        if self.contract.unjudged(tap.name) is not None:
            self.given.append(tap.name)
            return
        if tap.name not in self.waiting:
            self.fail(tap.name, KEPT if tap.name.startswith(HANDED) else EXTRA)
            return
        while self.waiting[0] != tap.name and not self.segment.unordered:
            self._miss()
        self.waiting.remove(tap.name)
        self.judge(tap, array)

    def finish(self, reason: str = "") -> None:
        """Every tap that has not appeared fails."""
        while self.waiting:
            self._miss(reason)

    def _miss(self, reason: str = "") -> None:
        name = self.waiting.pop(0)
        self.fail(name, reason or (LOST if name.startswith(HANDED) else MISSING))

    @abstractmethod
    def judge(self, tap: Tap, array: np.ndarray) -> None:
        """A verdict on each branch of a tap that is in its place."""

    @abstractmethod
    def fail(self, name: str, reason: str) -> None:
        """A verdict on a tap that only one side has there."""


class Assessment:
    """What is known of one run of a candidate that computes in `dtype`: its verdicts, its pictures and its ties."""

    def __init__(self, contract: Contract, case: Case, dtype: str = "float32"):
        self.contract, self.case, self.dtype = contract, case, dtype
        self.verdicts: list[Verdict] = []
        self.gallery = Gallery()
        self.decisions = Decisions()


class Judging(InOrder):
    """Judges a segment's taps by the traces of the runs `reference`, `exact` and, if there is one, `rounded`.

    `followed` is what a free run of the candidate goes on with at ties.
    """

    def __init__(self, assessment: Assessment, segment: Segment, mode: str, traces: Mapping[str, Trace]):
        super().__init__(assessment.contract, segment, traces["reference"])
        self.assessment, self.mode, self.traces = assessment, mode, traces
        self.floors: dict[str, float] = {}
        self.followed: dict[str, np.ndarray] = {}

    def judge(self, tap: Tap, array: np.ndarray) -> None:
        run = self.assessment
        rule, margins = run.contract.rule(self._ruled(tap), self.mode), self._margins(tap)
        values = [self.traces[name][tap.name] for name in JUDGES if name in self.traces]
        floors = []
        for branch, ours, reference, exact, *rounded in branches(run.contract, tap.axes, array, *values):
            floor = noise_floor(rounded[0], exact, run.dtype) if rounded else None
            verdict = judge(
                tap.name,
                branch,
                self.mode,
                rule,
                ours,
                reference,
                exact,
                floor,
                margins,
                axes=tap.axes,
                run=rounded[0] if rounded else None,
                dtype=run.dtype,
            )
            floors.append(verdict.floor)
            run.verdicts.append(verdict)
            run.gallery.see(verdict, tap.axes, ours, reference)
        self.floors[tap.name] = max(floors)
        if margins is not None and self.mode == ACCUMULATED:
            run.decisions.note(tap.name, values[0], margins)
            self.followed |= run.decisions.followed(tap.name, array)

    def fail(self, name: str, reason: str) -> None:
        rule = UNDECLARED if reason in (EXTRA, KEPT) else self.assessment.contract.rule(name, self.mode)
        self.assessment.verdicts.append(absent(name, self.mode, rule, reason))

    def _ruled(self, tap: Tap) -> str:
        """Whose rule is a tap's: of what is handed on, and is the value of a tap, that tap's."""
        if not tap.name.startswith(HANDED):
            return tap.name
        trace = self.traces["reference"]
        same = (each.name for each in self.segment.taps if np.array_equal(trace[each.name], trace[tap.name]))
        return next(same, tap.name)

    def _margins(self, tap: Tap) -> np.ndarray | None:
        decision = self.assessment.contract.decision(tap)
        if decision is None:
            return None
        source = decision.source(tap)
        floor = self.floors.get(source, float("nan"))
        return margins(decision, self.assessment.case, tap, self.traces["reference"][source], floor)


def branches(contract: Contract, axes: str, candidate: np.ndarray, *others: np.ndarray) -> list[tuple[Any, ...]]:
    """The parts that a tap is judged in, each with its label; the whole where the shapes differ."""
    if contract.branches(axes) == [""] or any(candidate.shape != other.shape for other in others):
        return [("", candidate, *others)]
    parts = [split(array, axes, dict(contract.splits)) for array in (candidate, *others)]
    return [(pieces[0][0], *(array for _, array in pieces)) for pieces in zip(*parts, strict=True)]
