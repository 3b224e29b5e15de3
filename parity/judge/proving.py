"""Proving the taps of one segment as a candidate gives them: none is kept, and none may be missing or too many."""

from __future__ import annotations

import numpy as np

from parity.capture.trace import Trace
from parity.contract import Contract, Segment, Tap
from parity.contract.axes import split
from parity.contract.implementation import Case
from parity.judge.mathematics import Mathematics, absent, judge
from parity.judge.ties import tied_in_double

EXTRA = "the reference has no such tap"
MISSING = "the candidate has no such tap, or not at this place of the flow"


class Proving:
    """Judges a candidate's taps in double as they appear. `verdicts` gets one for each branch of each tap.

    `reference` is the trace of the reference in double, which `verdicts` compares with. Missing, extra and misplaced
    taps fail.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        segment: Segment,
        mode: str,
        reference: Trace,
        verdicts: list[Mathematics],
    ):
        self.contract, self.case, self.mode = contract, case, mode
        self.reference, self.verdicts = reference, verdicts
        self.waiting = [tap.name for tap in segment.taps]

    def visit(self, tap: Tap, array: np.ndarray) -> None:
        """One tap of the candidate, in the reference's axes."""
        if tap.name not in self.waiting:
            self.verdicts.append(absent(tap.name, self.mode, EXTRA))
            return
        while self.waiting[0] != tap.name:
            self.verdicts.append(absent(self.waiting.pop(0), self.mode, MISSING))
        self.waiting.pop(0)
        reference = self.reference[tap.name]
        ties = self._ties(tap, array, reference)
        if array.shape != reference.shape:
            self.verdicts.append(judge(tap.name, "", self.mode, array, reference))
            return
        splits = dict(self.contract.splits)
        pairs = zip(split(array, tap.axes, splits), split(reference, tap.axes, splits), strict=True)
        for (branch, ours), (_, theirs) in pairs:
            self.verdicts.append(judge(tap.name, branch, self.mode, ours, theirs, ties))

    def finish(self, reason: str = "") -> None:
        """Every tap that has not appeared fails."""
        for name in self.waiting:
            self.verdicts.append(absent(name, self.mode, reason or MISSING))
        self.waiting = []

    def _ties(self, tap: Tap, array: np.ndarray, reference: np.ndarray) -> np.ndarray | None:
        """Which decisions are ties in double, where the candidate decided otherwise at all."""
        decision = self.contract.decision(tap)
        if decision is None or array.shape != reference.shape or np.array_equal(array, reference):
            return None
        ties = tied_in_double(decision, self.case, tap, self.reference[decision.source(tap)])
        return ties if ties.shape == reference.shape else None
