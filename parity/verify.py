"""Verify a candidate against the reference, segment by segment, created and inherited error apart.

Each segment is run five times: the float32 reference, the float64 reference and the candidate freely, each from its own
state; then the float64 reference and the candidate from the float32 reference's state with every tap grafted, so that
each block is fed with the reference's own inputs. Only one segment's values are held at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.axes import split
from parity.capture import Runner
from parity.contract import CREATED, INHERITED, Contract, Rule, Segment, Tap
from parity.errors import InputError
from parity.probe import require_float32
from parity.side import Case, State, make_side
from parity.verdict import Verdict, absent, judge

Trace = dict[str, np.ndarray]
Progress = Callable[[str], None]


@dataclass
class Report:
    """Every verdict of a run, in execution order, and what the run was."""

    case: str
    checkpoint: str
    segments: list[str]
    expected: int
    verdicts: list[Verdict] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def failures(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.passed]

    @property
    def passed(self) -> bool:
        """All expected verdicts were given, and each passed."""
        return bool(self.verdicts) and len(self.verdicts) == self.expected and not self.failures

    @property
    def first_failure(self) -> Verdict | None:
        """Where it went wrong first: the first created error above its bound, else the first failure of any kind."""
        created = (verdict for verdict in self.failures if verdict.mode == CREATED)
        return next(created, next(iter(self.failures), None))

    def select(self, pattern: str = "", mode: str = "") -> list[Verdict]:
        """The verdicts whose tap starts with `pattern`, of one mode or both."""
        return [v for v in self.verdicts if v.tap.startswith(pattern) and mode in ("", v.mode)]

    def as_dict(self) -> dict[str, Any]:
        first = self.first_failure
        return {
            "schema": 1,
            "passed": self.passed,
            "case": self.case,
            "checkpoint": self.checkpoint,
            "segments": self.segments,
            "expected_verdicts": self.expected,
            "failures": len(self.failures),
            "first_failure": first.as_dict() if first else None,
            "environment": self.environment,
            "seconds": self.seconds,
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
        }


class Verifier:
    """Runs a contract's two sides on a case. Raises `InputError` for unusable input, before anything is run."""

    def __init__(self, contract: Contract, case: Case, checkpoint: Path, progress: Progress = lambda message: None):
        self.contract, self.case, self.progress = contract, case, progress
        self.segments = contract.segments(case.dims)
        contract.check_rules(self.segments)
        self.rules = {
            (tap.name, mode): contract.rule(tap.name, mode)
            for segment in self.segments
            for tap in segment.taps
            for mode in (INHERITED, CREATED)
        }
        branches = [len(contract.branches(tap.axes)) for segment in self.segments for tap in segment.taps]
        labels = [segment.label for segment in self.segments]
        self.report = Report(case.name, str(checkpoint), labels, expected=2 * sum(branches))
        self.reference = self._side("reference", "reference", checkpoint, "float32")
        self.exact = self._side("exact", "reference", checkpoint, "float64")
        self.candidate = self._side("candidate", "candidate", checkpoint, "float32")

    def _side(self, label: str, name: str, checkpoint: Path, dtype: str) -> Runner:
        self.progress(f"loading {label}")
        runner = Runner(self.contract, name, make_side(self.contract, name, checkpoint, self.case, dtype))
        require_float32(runner.adapter)
        self.report.environment |= runner.adapter.environment()
        return runner

    def run(self) -> Report:
        """Verify every segment. Two verdicts for each branch of each tap of the contract, or the report fails."""
        states = {"reference": self.case.inputs, "exact": self.case.inputs, "candidate": self.case.inputs}
        for segment in self.segments:
            states = self._verify(segment, states)
        return self.report

    def _verify(self, segment: Segment, states: Mapping[str, State]) -> dict[str, State]:
        reference: Trace = {}
        exact: Trace = {}
        start = states["reference"]

        with self._timed("reference", segment):
            after = self.reference.run(segment, start, keep(reference))
        require_contract(self.contract, segment, reference, "the reference")
        with self._timed("exact", segment):
            exact_after = self.exact.run(segment, states["exact"], keep(exact))
        require_contract(self.contract, segment, exact, "the float64 reference")
        judging = _Judging(self, segment, INHERITED, reference, exact)
        with self._timed("candidate", segment):
            candidate_after = self.candidate.run(segment, states["candidate"], judging.visit)
        judging.finish()

        exact.clear()
        with self._timed("exact, grafted", segment):
            self.exact.run(segment, start, keep(exact), graft=reference)
        judging = _Judging(self, segment, CREATED, reference, exact)
        with self._timed("candidate, grafted", segment):
            self.candidate.run(segment, start, judging.visit, graft=reference)
        judging.finish()
        return {"reference": after, "exact": exact_after, "candidate": candidate_after}

    def _timed(self, what: str, segment: Segment) -> _Timed:
        self.progress(f"{segment.label}: {what}")
        return _Timed(self.report.seconds, what)


def require_contract(contract: Contract, segment: Segment, trace: Trace, whose: str) -> None:
    """Raises `InputError` unless a trace has a segment's taps in the contract's order, each with its number of axes."""
    want, got = [tap.name for tap in segment.taps], list(trace)
    if want == got:
        wrong = [tap for tap in segment.taps if trace[tap.name].ndim != len(tap.axes.split())]
        if not wrong:
            return
        detail = f"{wrong[0].name} has shape {trace[wrong[0].name].shape}, declared with axes {wrong[0].axes!r}"
    else:
        missing, extra = [name for name in want if name not in trace], [name for name in got if name not in want]
        detail = f"missing {missing[:3]}, not declared {extra[:3]}" if missing or extra else "another order"
    raise InputError(
        f"{contract.path}: {whose} does not give the taps that are declared for segment {segment.label}: {detail}; "
        "correct the contract or the side"
    )


def keep(trace: Trace) -> Callable[[Tap, np.ndarray], None]:
    """A visitor that stores every tap in `trace`."""

    def visit(tap: Tap, array: np.ndarray) -> None:
        trace[tap.name] = array

    return visit


class _Timed:
    """Adds the seconds of a `with` block to one entry of a table."""

    def __init__(self, seconds: dict[str, float], what: str):
        self.seconds, self.what = seconds, what

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds[self.what] = self.seconds.get(self.what, 0.0) + time.perf_counter() - self.began


class _Judging:
    """Judges a candidate's taps as they appear: none is kept. Missing, extra and misplaced taps fail."""

    def __init__(self, verifier: Verifier, segment: Segment, mode: str, reference: Trace, exact: Trace):
        self.verifier, self.mode = verifier, mode
        self.reference, self.exact = reference, exact
        self.waiting = [tap.name for tap in segment.taps]
        self.axes = {tap.name: tap.axes for tap in segment.taps}

    def visit(self, tap: Tap, array: np.ndarray) -> None:
        report = self.verifier.report
        if tap.name not in self.waiting:
            report.verdicts.append(absent(tap.name, self.mode, EXTRA, "the reference has no such tap"))
            return
        while self.waiting[0] != tap.name:
            self._absent(self.waiting.pop(0))
        self.waiting.pop(0)
        rule = self.verifier.rules[tap.name, self.mode]
        for branch, candidate, reference, exact in self._branches(tap.name, array):
            report.verdicts.append(judge(tap.name, branch, self.mode, rule, candidate, reference, exact))

    def finish(self) -> None:
        for name in self.waiting:
            self._absent(name)
        self.waiting = []

    def _absent(self, name: str) -> None:
        reason = "the candidate has no such tap, or not at this place of the flow"
        self.verifier.report.verdicts.append(absent(name, self.mode, self.verifier.rules[name, self.mode], reason))

    def _branches(self, name: str, candidate: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
        reference, exact = self.reference[name], self.exact[name]
        if candidate.shape != reference.shape:
            return [("", candidate, reference, exact)]
        axes, splits = self.axes[name], dict(self.verifier.contract.splits)
        parts = [split(array, axes, splits) for array in (candidate, reference, exact)]
        return [(c[0], c[1], r[1], e[1]) for c, r, e in zip(*parts, strict=True)]


EXTRA = Rule("", "*", 0.0, 0.0, "no tap may be there that the contract does not declare")
