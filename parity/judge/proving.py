"""Proving a candidate's taps in double as they appear."""

from __future__ import annotations

import numpy as np

from parity.capture.trace import Trace
from parity.contract import Contract, Segment, Tap
from parity.contract.implementation import Case
from parity.judge.mathematics import Mathematics, absent, judge
from parity.judge.segment import InOrder, branches
from parity.judge.ties import tied_in_double


class Proving(InOrder):
    """Compares a segment's taps with the trace of the reference in double.

    `verdicts` gets one for each branch of each tap.
    """

    def __init__(
        self,
        contract: Contract,
        segment: Segment,
        case: Case,
        mode: str,
        reference: Trace,
        verdicts: list[Mathematics],
    ):
        super().__init__(contract, segment, reference)
        self.case, self.mode = case, mode
        self.reference, self.verdicts = reference, verdicts

    def judge(self, tap: Tap, array: np.ndarray) -> None:
        reference = self.reference[tap.name]
        ties = self._ties(tap, array, reference)
        for branch, ours, theirs in branches(self.contract, tap.axes, array, reference):
            self.verdicts.append(judge(tap.name, branch, self.mode, ours, theirs, ties))

    def fail(self, name: str, reason: str) -> None:
        self.verdicts.append(absent(name, self.mode, reason))

    def _ties(self, tap: Tap, array: np.ndarray, reference: np.ndarray) -> np.ndarray | None:
        """Which decisions are ties in double, where the candidate decided otherwise at all."""
        decision = self.contract.decision(tap)
        if decision is None or array.shape != reference.shape or np.array_equal(array, reference):
            return None
        ties = tied_in_double(decision, self.case, tap, self.reference[decision.source(tap)])
        return ties if ties.shape == reference.shape else None
