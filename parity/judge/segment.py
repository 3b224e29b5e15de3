"""Judging the taps of one segment as a candidate gives them: none is kept, and none may be missing or too many."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.capture.trace import Trace
from parity.contract import FULL, Contract, Precision, Rule, Segment, Tap
from parity.contract.axes import split
from parity.contract.implementation import Case
from parity.judge.floor import noise_floor
from parity.judge.snapshots import Gallery
from parity.judge.ties import Decisions, margins
from parity.judge.verdict import Verdict, absent, judge

EXTRA = Rule("", "*", 0.0, 0.0, "no tap may be there that the contract does not declare")

NO_TAP = "the candidate has no such tap, or not at this place of the flow"


class Judging:
    """Judges a candidate's taps as they appear: none is kept. Missing, extra and misplaced taps fail.

    `reference` and `exact` are the traces of the reference in float32 and float64; `verdicts` gets one for each branch
    of each tap, and `gallery` sees each. `rounded`, if given, is the trace that the noise floor is measured on in place
    of the reference's: of the reference with its weights rounded as the candidate's are. `decisions` gets those that
    have a tie, and `followed` what a free run of the candidate goes on with then.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        segment: Segment,
        mode: str,
        reference: Trace,
        exact: Trace,
        verdicts: list[Verdict],
        rounded: Trace | None = None,
        precision: Precision = FULL,
        gallery: Gallery | None = None,
    ):
        self.contract, self.case, self.mode = contract, case, mode
        self.rounded, self.precision = rounded, precision
        self.reference, self.exact, self.verdicts = reference, exact, verdicts
        self.gallery = gallery if gallery is not None else Gallery(0)
        self.waiting = [tap.name for tap in segment.taps]
        self.taps = {tap.name: tap for tap in segment.taps}
        self.floors: dict[str, float] = {}
        self.decisions = Decisions()
        self.followed: dict[str, np.ndarray] = {}

    def visit(self, tap: Tap, array: np.ndarray) -> None:
        if tap.name not in self.waiting:
            self.verdicts.append(absent(tap.name, self.mode, EXTRA, "the reference has no such tap"))
            return
        while self.waiting[0] != tap.name:
            self._absent(self.waiting.pop(0))
        self.waiting.pop(0)
        rule = self.contract.rule(tap.name, self.mode)
        tap = self.taps[tap.name]
        reference, exact = self.reference[tap.name], self.exact[tap.name]
        noisy = reference if self.rounded is None else self.rounded[tap.name]
        margins = self._margins(tap)
        floors = []
        for branch, ours, theirs, double, noise in branches(self.contract, tap.axes, array, reference, exact, noisy):
            floor = None if self.rounded is None else noise_floor(noise, double, self.precision.compute)
            verdict = judge(tap.name, branch, self.mode, rule, ours, theirs, double, floor, margins)
            floors.append(verdict.floor)
            self.verdicts.append(verdict)
            self.gallery.see(verdict, tap.axes, ours, theirs)
        self.floors[tap.name] = max(floors)
        if margins is not None:
            self.decisions.note(tap.name, reference, margins)
            self.followed |= self.decisions.followed(tap.name, array)

    def finish(self, reason: str = "") -> None:
        """Every tap that has not appeared fails."""
        for name in self.waiting:
            self._absent(name, reason or NO_TAP)
        self.waiting = []

    def _absent(self, name: str, reason: str = NO_TAP) -> None:
        self.verdicts.append(absent(name, self.mode, self.contract.rule(name, self.mode), reason))

    def _margins(self, tap: Tap) -> np.ndarray | None:
        decision = self.contract.decision(tap)
        if decision is None:
            return None
        name = decision.source(tap)
        return margins(decision, self.case, tap, self.reference[name], self.floors.get(name, float("nan")))


def branches(contract: Contract, axes: str, candidate: np.ndarray, *others: np.ndarray) -> list[tuple[Any, ...]]:
    """The parts that a tap is judged in, each with its label; the whole where the shapes differ."""
    if any(candidate.shape != other.shape for other in others):
        return [("", candidate, *others)]
    parts = [split(array, axes, dict(contract.splits)) for array in (candidate, *others)]
    return [(pieces[0][0], *(array for _, array in pieces)) for pieces in zip(*parts, strict=True)]
