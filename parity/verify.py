"""Verify a candidate against the reference, segment by segment, created and inherited error apart.

Each segment is run five times: the float32 reference, the float64 reference and the candidate freely, each from its own
state; then the float64 reference and the candidate from the float32 reference's state with every tap grafted, so that
each block is fed with the reference's own inputs. What follows a discrete decision that fell otherwise cannot be
compared, so the free runs go on with the reference's decisions: float64 always, the candidate where the reference was
within rounding of either.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from itertools import groupby
from pathlib import Path

import numpy as np

from parity.capture import Runner
from parity.contract import CREATED, INHERITED, Contract, Segment
from parity.evidence import Gallery, sounds
from parity.judging import Judging
from parity.mix import Mix
from parity.probe import require_float32
from parity.report import Report
from parity.side import Case, State, make_side, resolve
from parity.trace import DiskTrace, Trace, keep, require_contract

Progress = Callable[[str], None]


class Verifier:
    """Runs a contract's two sides on a case. Raises `InputError` for unusable input.

    Only one segment's values are held at a time. The stages that the contract names as `in_turn` are run by one side
    after the other, with the traces in a temporary folder: then the weights of one side are held at a time, too.
    `sides` are those that are made: without all three, segments are run one by one (`parity.recording`). An
    `informative` run needs no float32 that is float32, and its report says so.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        progress: Progress = lambda message: None,
        sides: Collection[str] = ("reference", "exact", "candidate"),
        informative: bool = False,
    ):
        contract = contract.of_case(case.name)
        self.contract, self.case, self.checkpoint, self.progress = contract, case, checkpoint, progress
        self.segments = contract.segments(case.dims, case.segments)
        contract.check_decisions(self.segments)
        if not case.segments:
            contract.check_rules(self.segments)
        taps = [tap for segment in self.segments for tap in segment.taps]
        for tap in taps:
            for mode in (INHERITED, CREATED):
                contract.rule(tap.name, mode)
        labels = [segment.label for segment in self.segments]
        expected = 2 * sum(len(contract.branches(tap.axes)) for tap in taps)
        self.report = Report(
            case.name, str(checkpoint), labels, expected, chain=dict(contract.chain), informative=informative
        )
        if "reference" in sides:
            self.reference = self._side("reference", "reference", "float32")
        if "exact" in sides:
            self.exact = self._side("exact", "reference", "float64")
        if "candidate" in sides:
            self.candidate = self._side("candidate", "candidate", "float32")
        self.states: dict[str, State] = dict.fromkeys(("reference", "exact", "candidate"), case.inputs)
        self.gallery = Gallery()
        self.decided: dict[str, np.ndarray] = {}
        self.near: dict[str, np.ndarray] = {}

    def _side(self, label: str, name: str, dtype: str) -> Runner:
        self.progress(f"preparing {label}")
        runner = Runner(self.contract, name, make_side(self.contract, name, self.checkpoint, self.case, dtype))
        if not self.report.informative:
            require_float32(runner.adapter)
        self.report.environment |= runner.adapter.environment()
        return runner

    def run(self) -> Report:
        """Verify every segment; of a whole run, also what it ends in, and every crossing of the sides' stages.

        Two verdicts for each branch of each tap of the contract, or the report fails.
        """
        mix = Mix(self.contract, self.segments, self.near, self.decided) if self._whole("mix") else None
        entry: State = {}
        for stage, grouped in groupby(self.segments, key=lambda segment: segment.stage):
            segments, start = list(grouped), self.states["reference"]
            if stage in self.contract.in_turn:
                self._in_turn(segments)
            else:
                for segment in segments:
                    self._together(segment)
            if mix is not None and stage in mix.stages:
                entry = entry or start
                mix.note("reference", stage, start, self.states["reference"])
        if self._whole("outcome"):
            with self._timed("outcome", ""):
                judge = resolve(self.contract.outcome)
                ends = self.states["reference"], self.states["candidate"]
                self.report.checks = judge(self.case, self.checkpoint, *ends)
        self.report.pictures = self.gallery.pictures
        self.report.sounds = sounds(self.contract.sounds, self.states["reference"], self.states["candidate"])
        if mix is not None:
            with self._timed("crossings", ""):
                runners = {"reference": self.reference, "candidate": self.candidate}
                ends = self.states["reference"], self.states["exact"]
                self.report.crossings = mix.run(runners, entry, *ends, self.progress)
        return self.report

    def _whole(self, table: str) -> bool:
        """Whether the contract has such a table, which is about a run of all segments, and this run is one."""
        return bool(getattr(self.contract, table)) and not self.case.segments

    def _together(self, segment: Segment) -> None:
        reference: Trace = {}
        exact: Trace = {}
        start = self.states["reference"]
        self.run_reference(segment, reference)
        for mode in (INHERITED, CREATED):
            exact.clear()
            self.run_exact(segment, mode, start, reference, exact)
            self.judge(segment, mode, start, reference, exact)

    def _in_turn(self, segments: list[Segment]) -> None:
        with tempfile.TemporaryDirectory(prefix="parity-") as folder:
            kinds = ("start", "reference", INHERITED, CREATED)
            stored = [{kind: DiskTrace(Path(folder) / f"{i}-{kind}") for kind in kinds} for i in range(len(segments))]
            for segment, traces in zip(segments, stored, strict=True):
                traces["start"].update(self.states["reference"])
                self.run_reference(segment, traces["reference"])
            self.reference.side.release()
            for segment, traces in zip(segments, stored, strict=True):
                for mode in (INHERITED, CREATED):
                    start = dict(traces["start"]) if mode == CREATED else {}
                    self.run_exact(segment, mode, start, traces["reference"], traces[mode])
            self.exact.side.release()
            for segment, traces in zip(segments, stored, strict=True):
                for mode in (INHERITED, CREATED):
                    start = dict(traces["start"]) if mode == CREATED else {}
                    self.judge(segment, mode, start, traces["reference"], traces[mode])
            self.candidate.side.release()

    def run_reference(self, segment: Segment, trace: Trace) -> None:
        """The float32 reference, from the state that it has reached."""
        with self._timed("reference", segment.label):
            self.states["reference"] = self.reference.run(segment, self.states["reference"], keep(trace))
        require_contract(self.contract, segment, trace, "the reference")
        self.decided |= {tap.name: trace[tap.name] for tap in segment.taps if self.contract.decision(tap)}

    def run_exact(self, segment: Segment, mode: str, start: State, reference: Trace, trace: Trace) -> None:
        """The float64 reference: from its own state, or in created mode from `start` with every tap grafted."""
        if mode == CREATED:
            with self._timed("exact, grafted", segment.label):
                self.exact.run(segment, start, keep(trace), graft=reference)
            return
        with self._timed("exact", segment.label):
            self.states["exact"] = self.exact.run(segment, self.states["exact"], keep(trace), graft=self.decided)
        require_contract(self.contract, segment, trace, "the float64 reference")

    def judge(self, segment: Segment, mode: str, start: State, reference: Trace, exact: Trace) -> None:
        """The candidate, likewise; each tap is judged as it appears."""
        before = len(self.report.verdicts)
        judging = Judging(self.contract, self.case, segment, mode, reference, exact, self.report.verdicts, self.gallery)
        if mode == CREATED:
            with self._timed("candidate, grafted", segment.label):
                self.candidate.run(segment, start, judging.visit, graft=reference)
        else:
            with self._timed("candidate", segment.label):
                free = self.candidate.run(segment, self.states["candidate"], judging.visit, graft=judging.settled)
            self.states["candidate"] = free
            self.near |= judging.near
        judging.finish()
        self.report.add_place(segment.stage, len(self.report.verdicts) - before)

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
