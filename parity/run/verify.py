"""Verify a candidate against the reference, segment by segment, local and accumulated error apart.

Each segment is run five times. The float32 reference, the float64 reference and the candidate run freely, each from its
own state. Then the float64 reference and the candidate run teacher-forced, from the float32 reference's state: every
tap goes on with the reference's value, so that each block gets the reference's own inputs.

What follows a discrete decision that fell otherwise cannot be compared, so the free runs go on with the reference's
decisions: float64 always, the candidate where the reference was within rounding of either. A candidate of less
precision than float32 is judged by what rounding the weights does: a further run, of the reference with weights rounded
alike, then gives the noise floor.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from itertools import groupby
from pathlib import Path

import numpy as np

from parity.base.errors import InputError
from parity.base.runtime import return_memory
from parity.capture.probe import require_float32
from parity.capture.runner import Runner
from parity.capture.trace import DiskTrace, Trace, copied, keep, require_contract
from parity.contract import ACCUMULATED, FULL, LOCAL, Contract, Precision, Segment
from parity.contract.implementation import Case, State, make_side, resolve
from parity.diagnose import Diagnosis, Suspect, diagnose, growth
from parity.judge.floor import noise_floor
from parity.judge.segment import Judging
from parity.judge.snapshots import Gallery, sounds
from parity.judge.ties import Decisions
from parity.judge.verdict import Verdict, judge
from parity.run.report import Report
from parity.run.swaps import Swaps

Progress = Callable[[str], None]
Traces = dict[str, Trace]
SIDES = ("reference", "exact", "rounded", "candidate")
WHOSE = {"exact": "the float64 reference", "rounded": "the reference with rounded weights"}


class Verifier:
    """Runs a contract's two sides on a case. Raises `InputError` for unusable input.

    Only one segment's values are held at a time. The stages that the contract names as `in_turn` are run by one side
    after the other, with the traces in a temporary folder: then the weights of one side are held at a time, too.
    `sides` are those that are made: without all three, segments are run one by one (`parity.run.recordings`). An
    `informative` run needs no float32 that is float32, and its report says so.
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
        contract = contract.rules_of(case.name, precision)
        self.contract, self.case, self.checkpoint, self.progress = contract, case, checkpoint, progress
        self.precision = precision
        self.segments = contract.segments(case.dims, case.segments)
        contract.check_decisions(self.segments)
        if not case.segments and precision == FULL:
            contract.check_rules(self.segments)
        taps = [tap for segment in self.segments for tap in segment.taps]
        for tap in taps:
            for mode in (ACCUMULATED, LOCAL):
                contract.rule(tap.name, mode)
        labels = [segment.label for segment in self.segments]
        expected = 2 * sum(len(contract.branches(tap.axes)) for tap in taps)
        self.report = Report(
            case.name,
            str(checkpoint),
            labels,
            expected,
            precision=precision.name,
            chain=dict(contract.chain),
            informative=informative,
        )
        self.runners: dict[str, Runner] = {}
        for label, dtype, weights in (
            ("reference", "float32", FULL.weights),
            ("exact", "float64", FULL.weights),
            ("rounded", "float32", precision.weights),
            ("candidate", precision.compute, precision.weights),
        ):
            if label in sides and (label != "rounded" or precision != FULL):
                self.runners[label] = self._side(label, dtype, weights)
        self.states: dict[str, State] = dict.fromkeys(SIDES, case.inputs)
        self.gallery = Gallery()
        self.decided: dict[str, np.ndarray] = {}
        self.decisions = Decisions()
        self.start: State | None = None
        self.stopped = ""

    def _side(self, label: str, dtype: str, weights: str) -> Runner:
        self.progress(f"preparing {label}")
        name = "candidate" if label == "candidate" else "reference"
        side = make_side(self.contract, name, self.checkpoint, self.case, dtype, weights)
        runner = Runner(self.contract, name, side)
        if not self.report.informative:
            require_float32(runner.adapter)
        self.report.environment |= runner.adapter.environment()
        return runner

    def run(self, settle: Callable[[Verifier], None] = lambda verifier: None) -> Report:
        """Verify every segment; then what the run ends in, and of a whole run every swap of the sides' stages.

        Two verdicts for each branch of each tap of the contract, or the report fails. `settle` may replace them in the
        report by what else is known, before the first failure is looked into.
        """
        whole = not self.case.segments
        swaps = Swaps(self.contract, self.segments, self.decisions) if self.contract.swap and whole else None
        entry: State = {}
        for stage, grouped in groupby(self.segments, key=lambda segment: segment.stage):
            segments, start = list(grouped), self.states["reference"]
            if stage in self.contract.in_turn:
                self._in_turn(segments)
            else:
                for segment in segments:
                    self._together(segment)
            self.release()
            if swaps is not None and stage in swaps.stages:
                entry = entry or start
                swaps.note("reference", stage, start, self.states["reference"])
        if self.contract.outcome and self.whole and self.precision == FULL:  # in others the last tap's verdict says it
            with self._timed("outcome", ""):
                check = resolve(self.contract.outcome)
                ends = self.states["reference"], self.states["candidate"]
                self.report.checks = check(self.case, self.checkpoint, *ends)
        self.report.pictures = self.gallery.pictures
        self.report.sounds = sounds(self.contract.sounds, self.states["reference"], self.states["candidate"])
        if swaps is not None and not self.stopped:
            with self._timed("swaps", ""):
                runners = {name: self.runners[name] for name in ("reference", "candidate")}
                self.report.swaps = swaps.run(runners, entry, self._swapped, self.progress)
        settle(self)
        if self.report.first_failure is not None:
            with self._timed("diagnosis", ""):
                self.report.diagnosis = self._diagnose(self.report.first_failure)
        return self.report

    @property
    def whole(self) -> bool:
        """Whether the run went to the contract's last segment."""
        return self.segments[-1].name == self.contract.outline[-1]["name"] and not self.stopped

    def _swapped(self, tap: str, name: str, value: np.ndarray) -> Verdict:
        """The verdict on what a swapped runs ends in: a value of its last state."""
        reference, exact = self.states["reference"][name], self.states["exact"][name]
        floor = None
        if "rounded" in self.runners:
            floor = noise_floor(self.states["rounded"][name], exact, self.precision.compute)
        return judge(tap, "", ACCUMULATED, self.contract.rule(tap, ACCUMULATED), value, reference, exact, floor)

    def _together(self, segment: Segment) -> None:
        reference: Trace = {}
        start = self.states["reference"]
        self.run_reference(segment, reference)
        for mode in (ACCUMULATED, LOCAL):
            traces: Traces = {}
            for which in self.others:
                traces[which] = {}
                self.run_other(which, segment, mode, start, reference, traces[which])
            self.judge(segment, mode, start, reference, traces)
            for trace in traces.values():
                trace.clear()

    def _in_turn(self, segments: list[Segment]) -> None:
        with tempfile.TemporaryDirectory(prefix="parity-") as folder:

            def stored(*names: object) -> DiskTrace:
                return DiskTrace(Path(folder, *map(str, names)))

            starts, references = [], []
            for number, segment in enumerate(segments):
                starts.append(stored(number, "start"))
                starts[-1].update(self.states["reference"])
                references.append(stored(number, "reference"))
                self.run_reference(segment, references[-1])
            self.release("reference")
            others: list[dict[str, Traces]] = [{ACCUMULATED: {}, LOCAL: {}} for _ in segments]
            for which in self.others:
                for number, segment in enumerate(segments):
                    for mode, traces in others[number].items():
                        start = copied(starts[number]) if mode == LOCAL else {}
                        traces[which] = stored(number, mode, which)
                        self.run_other(which, segment, mode, start, references[number], traces[which])
                self.release(which)
            for number, segment in enumerate(segments):
                for mode, traces in others[number].items():
                    start = copied(starts[number]) if mode == LOCAL else {}
                    self.judge(segment, mode, start, references[number], traces)
            self.release("candidate")

    @property
    def others(self) -> list[str]:
        """The runs that the candidate is judged by besides the reference's."""
        return [name for name in ("exact", "rounded") if name in self.runners]

    def release(self, *names: str) -> None:
        """Let go of the weights of these sides, all by default."""
        for name in names or self.runners:
            self.runners[name].side.release()
        return_memory()

    def run_reference(self, segment: Segment, trace: Trace) -> None:
        """The float32 reference, from the state that it has reached."""
        with self._timed("reference", segment.label):
            self.states["reference"] = self.runners["reference"].run(segment, self.states["reference"], keep(trace))
        require_contract(self.contract, segment, trace, "the reference")
        self.decided |= {tap.name: np.array(trace[tap.name]) for tap in segment.taps if self.contract.decision(tap)}

    def run_other(self, which: str, segment: Segment, mode: str, start: State, reference: Trace, trace: Trace) -> None:
        """One of `others`: from its own state, or in teacher-forced mode from `start` with every tap teacher-forced."""
        runner = self.runners[which]
        if mode == LOCAL:
            with self._timed(f"{which}, teacher-forced", segment.label):
                runner.run(segment, start, keep(trace), forced=reference)
            return
        with self._timed(which, segment.label):
            self.states[which] = runner.run(segment, self.states[which], keep(trace), forced=self.decided)
        require_contract(self.contract, segment, trace, WHOSE[which])

    def judge(self, segment: Segment, mode: str, start: State, reference: Trace, traces: Traces) -> None:
        """The candidate, likewise; each tap is judged as it appears, by the traces of the reference and of `others`."""
        candidate, verdicts = self.runners["candidate"], self.report.verdicts
        judging = Judging(
            self.contract,
            self.case,
            segment,
            mode,
            reference,
            traces["exact"],
            verdicts,
            traces.get("rounded"),
            self.precision,
            self.gallery,
        )
        judged = len(verdicts)
        stopped = self.stopped if mode == ACCUMULATED else ""
        try:
            if mode == LOCAL:
                with self._timed("candidate, teacher-forced", segment.label):
                    candidate.run(segment, start, judging.visit, forced=reference)
            elif not stopped:
                with self._timed("candidate", segment.label):
                    free = candidate.run(segment, self.states["candidate"], judging.visit, forced=judging.followed)
                self.states["candidate"] = free
                self.decisions |= judging.decisions
        except InputError:
            raise
        except Exception as error:  # a port that stops has a verdict, too: the taps it did not reach fail
            stopped = f"the candidate stopped in {segment.label}: {type(error).__name__}: {error}"
            self.stopped = self.stopped or stopped
        judging.finish(stopped)
        self.report.add_place(segment.stage, len(verdicts) - judged)
        if mode == LOCAL and self.start is None and any(not v.passed for v in verdicts[judged:]):
            self.start = start

    def _diagnose(self, first: Verdict) -> Diagnosis:
        segment = next((s for s in self.segments if any(tap.name == first.tap for tap in s.taps)), None)
        rows = growth(self.report.verdicts, first.tap)
        try:
            suspect = self._suspect(segment, first) if segment is not None and first.shape else None
            return diagnose(self.contract, first, suspect, self.runners, rows)
        except Exception as error:  # the verdicts stand without it
            return Diagnosis(first, growth=rows, note=f"not looked into: {type(error).__name__}: {error}")

    def _suspect(self, segment: Segment, first: Verdict) -> Suspect:
        """A segment with the states that its runs start from: for an accumulated error, every side is run up to it."""
        if first.mode == LOCAL and self.start is not None:
            return Suspect(segment, first.tap, LOCAL, dict.fromkeys(self.states, self.start))
        before = self.segments[: self.segments.index(segment)]
        starts: dict[str, State] = {}
        for name, runner in self.runners.items():
            starts[name] = self.case.inputs
            for earlier in before:
                starts[name] = runner.run(earlier, starts[name], lambda tap, array: None, forced=self.decided)
        return Suspect(segment, first.tap, ACCUMULATED, starts, self.decided)

    def _timed(self, what: str, place: str) -> _Timed:
        self.progress(f"{place}: {what}" if place else what)
        return _Timed(self.report.seconds, what)


class _Timed:
    """Adds the seconds of a `with` block to one entry of a table."""

    def __init__(self, seconds: dict[str, float], what: str):
        self.seconds, self.what = seconds, what

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds[self.what] = self.seconds.get(self.what, 0.0) + time.perf_counter() - self.began
