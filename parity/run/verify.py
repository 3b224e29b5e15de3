"""Verify a candidate against the reference, segment by segment, local and accumulated error apart.

Each segment is run five times. The float32 reference, the float64 reference and the candidate run freely, each from its
own state. Then the float64 reference and the candidate run teacher-forced, from the float32 reference's state: every
tap goes on with the reference's value, so that each block gets the reference's own inputs.

What follows a discrete decision that fell otherwise cannot be compared, so the free runs go on with the reference's
decisions: float64 always, the candidate at ties. A candidate of less precision than float32 is judged by what rounding
the weights does: a further run, of the reference with weights rounded alike, then gives the noise floor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import groupby
from pathlib import Path

import numpy as np

from parity.contract import ACCUMULATED, FULL, LOCAL, Contract, Precision, Segment
from parity.contract.implementation import Case, State, resolve
from parity.diagnose import Diagnosis, Suspect, diagnose, growth
from parity.diagnose.checkpoint import Weights
from parity.judge.arithmetic import WRONG
from parity.judge.floor import noise_floor
from parity.judge.segment import Assessment, Judging
from parity.judge.snapshots import sounds
from parity.judge.verdict import Verdict, judge
from parity.run.clock import Clock, Progress
from parity.run.not_judged import note
from parity.run.report import Report
from parity.run.runs import SIDES, Runs, Turn
from parity.run.schedules import in_turn, together
from parity.run.swaps import Swaps


class Verifier:
    """Runs a contract's two sides on a case. Raises `InputError` for unusable input.

    The runs, in the order that a schedule gives, are assessed, and the report says what came of it. Stages that the
    contract names as `in_turn` are run by one side after the other. `sides` are those that are made: without all three,
    segments are run one by one (`parity.run.recordings`). An `informative` run needs no float32 that is float32, and
    its report says so.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        progress: Progress = lambda message: None,
        precision: Precision = FULL,
        sides: Collection[str] = SIDES,
        informative: bool = False,
    ):
        self.contract = contract = contract.rules_of(case.name, precision)
        self.case, self.checkpoint, self.precision = case, checkpoint, precision
        self.segments = _segments(contract, case, precision)
        self.outcome = resolve(contract.outcome) if contract.outcome else None  # refused now, not after the run
        self.clock = Clock(progress)
        self.runs = Runs(contract, case, checkpoint, precision, sides, self.clock, informative)
        self.assessment = Assessment(contract, case, precision.compute)
        self.start: State | None = None  # of the first segment that fails given the reference's inputs
        self.report = Report(
            case.name,
            str(checkpoint),
            [segment.label for segment in self.segments],
            sum(len(segment.modes) * contract.count(segment.taps) for segment in self.segments),
            verdicts=self.assessment.verdicts,
            environment=self.runs.environment,
            seconds=self.clock.seconds,
            precision=precision.name,
            chain=dict(contract.chain),
            informative=informative,
        )

    def run(self, settle: Callable[[Verifier], None] = lambda verifier: None) -> Report:
        """Verify every segment; then what the run ends in, and of a whole run every swap of the sides' stages.

        Two verdicts for each branch of each tap of the contract, or the report fails. `settle` may replace them in the
        report by what else is known, before the first failure is looked into.
        """
        states, decisions = self.runs.states, self.assessment.decisions
        swaps = (
            Swaps(self.contract, self.segments, decisions) if self.contract.swap and not self.case.segments else None
        )
        entry: State = {}
        for stage, grouped in groupby(self.segments, key=lambda segment: segment.stage):
            start = states["reference"]
            schedule = in_turn if stage in self.contract.in_turn else together
            for turn in schedule(self.runs, list(grouped)):
                self.judge(turn)
            self.runs.release()
            if swaps is not None and stage in swaps.stages:
                entry = entry or start
                swaps.note("reference", stage, start, states["reference"])
        self.conclude()
        if swaps is not None and not self.runs.stopped:
            with self.clock("swaps"):
                runners = {name: self.runs.runners[name] for name in ("reference", "candidate")}
                self.report.swaps = swaps.run(runners, entry, self._swapped, self.clock.progress)
        settle(self)
        if self.report.first_failure is not None:
            with self.clock("diagnosis"):
                self.report.diagnosis = self._diagnose(self.report.first_failure)
        return self.report

    def judge(self, turn: Turn) -> None:
        """Run the candidate once, and judge each tap as it appears."""
        verdicts = self.assessment.verdicts
        judged = len(verdicts)
        handed = self.contract.handed(turn.segment, turn.traces["reference"])
        self.report.expected += self.contract.count(handed)
        judging = Judging(self.assessment, turn.segment, turn.mode, turn.traces)
        self.runs.candidate(turn, judging)
        note(self.report.not_judged, self.contract, turn.traces["reference"], judging.given)
        self.report.add_place(turn.segment.stage, len(verdicts) - judged)
        if turn.mode == LOCAL and self.start is None and not all(verdict.passed for verdict in verdicts[judged:]):
            self.start = dict(turn.start)

    def conclude(self) -> None:
        """What the run ends in: the contract's checks of a whole one, pictures and sounds."""
        ends = self.runs.states["reference"], self.runs.states["candidate"]
        whole = self.segments[-1].name == self.contract.last and not self.runs.stopped
        if self.outcome is not None and whole and self.precision == FULL:  # in others the last tap's verdict says it
            with self.clock("outcome"):
                self.report.checks = self.outcome(self.case, self.checkpoint, *ends)
        self.report.pictures = self.assessment.gallery.pictures
        self.report.sounds = sounds(self.contract.sounds, *ends)

    def _swapped(self, tap: str, name: str, value: np.ndarray) -> Verdict:
        """The verdict on what a run of swapped stages ends in: a value of its last state."""
        reference, exact = (self.runs.states[which][name] for which in ("reference", "exact"))
        rule, compute, floor, rounded = self.contract.rule(tap, ACCUMULATED), self.precision.compute, None, None
        if "rounded" in self.runs.runners:
            rounded = self.runs.states["rounded"][name]
            floor = noise_floor(rounded, exact, compute)
        return judge(tap, "", ACCUMULATED, rule, value, reference, exact, floor, run=rounded, dtype=compute)

    def _diagnose(self, first: Verdict) -> Diagnosis:
        segment = next((segment for segment in self.segments if segment.holds(first.tap)), None)
        rows = growth(self.report.verdicts, first.tap)
        if first.word == WRONG and self.report.departures:
            return Diagnosis(first, growth=rows, departures=self.report.departures)
        try:
            suspect = self._suspect(segment, first) if segment is not None and first.shape else None
            return diagnose(self.contract, first, suspect, self.runs.runners, rows)
        except Exception as error:  # the verdicts stand without it
            return Diagnosis(first, growth=rows, note=f"not looked into: {type(error).__name__}: {error}")

    def _suspect(self, segment: Segment, first: Verdict) -> Suspect:
        """A segment with the states that its runs start from."""
        weights = Weights(self.checkpoint) if self.precision == FULL else {}
        if first.mode == LOCAL and self.start is not None:
            starts = dict.fromkeys(SIDES, self.start)
            return Suspect(segment, first.tap, LOCAL, starts, {}, self.precision.compute, weights)
        starts = self.runs.before(self.segments[: self.segments.index(segment)])
        return Suspect(segment, first.tap, ACCUMULATED, starts, self.runs.decided, self.precision.compute, weights)


def _segments(contract: Contract, case: Case, precision: Precision) -> list[Segment]:
    """The segments of a case, of which every tap has a rule. Raises `InputError` for a contract that does not fit."""
    segments = contract.segments(case.dims, case.segments)
    contract.check_decisions(segments)
    if not case.segments and precision == FULL:
        contract.check_rules(segments)
    for segment in segments:
        for tap in segment.taps:
            for mode in (ACCUMULATED, LOCAL):
                contract.rule(tap.name, mode)
    return segments
