"""Judging the taps of one segment as a candidate gives them: none is kept, and none may be missing or too many."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.base.metrics import half_ulp_rms, rms, rmse
from parity.capture.trace import Trace
from parity.contract import FULL, Contract, Decision, Precision, Rule, Segment, Tap
from parity.contract.axes import split
from parity.contract.implementation import Case, resolve
from parity.judge.snapshots import Gallery
from parity.judge.verdict import TIE, Verdict, absent, judge

EXTRA = Rule("", "*", 0.0, 0.0, "no tap may be there that the contract does not declare")

NO_TAP = "the candidate has no such tap, or not at this place of the flow"


class Judging:
    """Judges a candidate's taps as they appear: none is kept. Missing, extra and misplaced taps fail.

    `reference` and `exact` are the traces of the reference in float32 and float64; `verdicts` gets one for each branch
    of each tap, and `gallery` sees each. `rounded`, if given, is the trace that the noise floor is measured on in place
    of the reference's: of the reference with its weights rounded as the candidate's are. Decisions that were near to
    another are noted: which in `near`, and in `settled` how to go on, with the reference's where it was near and the
    candidate's own elsewhere.
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
        self.near: dict[str, np.ndarray] = {}
        self.settled: dict[str, np.ndarray] = {}

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
            floor = None if self.rounded is None else rounding_floor(noise, double, self.precision.compute)
            verdict = judge(tap.name, branch, self.mode, rule, ours, theirs, double, floor, margins)
            floors.append(verdict.floor)
            self.verdicts.append(verdict)
            self.gallery.see(verdict, tap.axes, ours, theirs)
        self.floors[tap.name] = max(floors)
        if margins is not None and margins.shape == array.shape == reference.shape:
            self._settle(tap, array, reference, margins <= TIE)

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

    def _settle(self, tap: Tap, candidate: np.ndarray, reference: np.ndarray, near: np.ndarray) -> None:
        if near.any():
            self.near[tap.name] = near
            self.settled[tap.name] = np.where(near, reference, candidate)


def rounding_floor(rounded: np.ndarray, exact: np.ndarray, compute: str) -> float:
    """How far rounded weights move a value, and never less than a rounding of the value to the dtype of computing."""
    if exact.dtype.kind != "f" or not np.isfinite(exact).all():
        return float("nan")
    return max(rmse(rounded, exact), rms(exact) * half_ulp_rms(compute))


def margins(decision: Decision, case: Case, tap: Tap, values: np.ndarray, floor: float) -> np.ndarray:
    """How far each decision of a tap was from being another, in noise floors of the `values` that it is made on."""
    apart = resolve(decision.margin)(case, tap, np.asarray(values, dtype=np.float64))
    return np.asarray(np.abs(apart) / max(floor, float(np.finfo(np.float32).tiny)))


def branches(contract: Contract, axes: str, candidate: np.ndarray, *others: np.ndarray) -> list[tuple[Any, ...]]:
    """The parts that a tap is judged in, each with its label; the whole where the shapes differ."""
    if any(candidate.shape != other.shape for other in others):
        return [("", candidate, *others)]
    parts = [split(array, axes, dict(contract.splits)) for array in (candidate, *others)]
    return [(pieces[0][0], *(array for _, array in pieces)) for pieces in zip(*parts, strict=True)]
