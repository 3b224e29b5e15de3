"""Verify a candidate in both ways: its mathematics in double, and its arithmetic as it runs on its device."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path

from parity.base.exercise import Exercise
from parity.capture.trace import copied
from parity.contract import ACCUMULATED, LOCAL, Contract, Tap
from parity.contract.implementation import Case
from parity.exact.program import NoProgram
from parity.judge import arithmetic
from parity.judge.arithmetic import DEVICE, Key, in_doubt, settled
from parity.judge.mathematics import Mathematics
from parity.judge.verdict import Verdict
from parity.run.exact import Exact
from parity.run.operation import Operation, Search
from parity.run.own import Again, Fed, OwnFloors
from parity.run.report import Swap
from parity.run.spared import spared
from parity.run.verify import Verifier

Progress = Callable[[str], None]


class Both:
    """Gives each verdict of a run on the device its word. `mathematics` are the verdicts in double, by mode and tap.

    Without them every tap has no program, and `why` says so. `strict`: what is off by more than the contract's bounds
    fails, be it by rounding alone.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        mathematics: Mapping[Key, Mathematics],
        why: str = "",
        strict: bool = False,
        progress: Progress = lambda message: None,
    ):
        self.contract, self.case, self.checkpoint = contract, case, checkpoint
        self.mathematics, self.why, self.strict, self.progress = mathematics, why, strict, progress
        self.departures: list[str] = []
        self.exercise = Exercise()
        self.seconds = 0.0

    @classmethod
    def proven(
        cls,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        strict: bool,
        progress: Progress = lambda message: None,
    ) -> Both:
        """With the mathematics proven here and now, where there is a program in double."""
        try:
            report = Exact(contract, case, checkpoint, progress).run()
        except NoProgram as error:
            return cls(contract, case, checkpoint, {}, str(error), strict, progress)
        reached = [verdict for verdict in report.verdicts if not report.stopped or verdict.reason != report.stopped]
        known = arithmetic.by_key(reached)
        both = cls(contract, case, checkpoint, known, report.stopped, strict, progress)
        both.seconds = sum(report.seconds.values())
        both.departures, both.exercise = report.departures, report.exercise
        return both

    def settle(self, verifier: Verifier, fed: Fed | None = None) -> None:
        """Replace the report's verdicts by those with a word, and its swaps.

        `fed` is what the segments are fed where it is stored; else the verifier's reference runs again.
        """
        report = verifier.report
        report.program, report.strict, report.departures = self.why, self.strict, self.departures
        report.exercise = self.exercise
        if self.seconds:
            report.seconds["in double"] = self.seconds
        own = self._own(verifier, fed)
        floors: dict[tuple[str, str], float] = {}
        for verdict in report.verdicts:
            floors[verdict.mode, verdict.tap] = max(floors.get((verdict.mode, verdict.tap), 0.0), verdict.floor)
        report.verdicts = [self._settled(verdict, own, floors) for verdict in report.verdicts]
        report.swaps = [Swap(swap.sides, self._swapped(swap.verdict, own)) for swap in report.swaps]
        self._look_inside(verifier, fed)

    def _own(self, verifier: Verifier, fed: Fed | None) -> dict[Key, float]:
        """The own floors of what only they can settle: none is measured for a port within its bounds."""
        report = verifier.report
        doubtful = [v for v in report.verdicts if in_doubt(v, self._of(v))]
        swapped = [c.verdict for c in report.swaps if in_doubt(c.verdict, self._of(c.verdict))]
        wanted = {
            mode: {self._measured(v.tap) for v in [*doubtful, *swapped] if v.mode == mode}
            for mode in (LOCAL, ACCUMULATED)
        }
        if not any(wanted.values()):
            return {}
        segments = verifier.segments
        if fed is None:
            fed = Again(self.contract, self.case, segments, verifier.runs.runners["reference"])
        stages = spared(self.contract, segments, report.verdicts, verifier.runs.carried, wanted[ACCUMULATED])
        with verifier.clock("own floors"):
            own = OwnFloors(self.contract, self.case, self.checkpoint, segments, fed, self.progress)
            return own.measure(wanted, stages)

    def _look_inside(self, verifier: Verifier, fed: Fed | None) -> None:
        """Say at which line the device is off in the first block that it has wrong given the reference's inputs."""
        report = verifier.report
        off = (v for v in report.verdicts if v.word == DEVICE and v.mode == LOCAL and v.rmse == v.rmse)
        if (first := next(off, None)) is None:
            return
        try:
            with verifier.clock("line of the device"):
                found = self._inside(first.tap, verifier, fed)
            report.operation = {"sentence": f"{first.tap}, at no line that its run in double has as well"}
            if found is not None:
                report.operation = found.as_dict()
        except Exception as error:  # the verdicts stand without it
            report.operation = {"sentence": f"{first.tap}: not looked into: {type(error).__name__}: {error}"}

    def _inside(self, tap: str, verifier: Verifier, fed: Fed | None) -> Operation | None:
        segments = verifier.segments
        number = next(place for place, one in enumerate(segments) if one.holds(tap))
        self.progress(f"{segments[number].label}: which line of {tap}")
        if fed is None:
            fed = Again(self.contract, self.case, segments, verifier.runs.runners["reference"])
        for _, group in groupby(range(number + 1), key=lambda place: segments[place].stage):
            for place, start, trace in fed(list(group)):
                if place == number:
                    start, forced = copied(start), copied(trace)
        search = Search(
            self.contract, self.case, self.checkpoint, segments[number], tap, verifier.runs.runners["candidate"]
        )
        return search.run(start, forced)

    def _settled(self, verdict: Verdict, own: Mapping[Key, float], floors: Mapping[tuple[str, str], float]) -> Verdict:
        source = self._measured(verdict.tap)
        if source == verdict.tap:
            measured = own.get((verdict.mode, verdict.tap, verdict.branch), math.nan)
            return settled(verdict, self._of(verdict), measured, strict=self.strict)
        largest = max(
            (floor for (mode, tap, _), floor in own.items() if (mode, tap) == (verdict.mode, source)), default=0
        )
        ratio = max(1.0, largest / (floors.get((verdict.mode, source)) or math.inf))
        return settled(verdict, self._of(verdict), own_source=ratio, strict=self.strict)

    def _swapped(self, verdict: Verdict, own: Mapping[Key, float]) -> Verdict:
        """A run of swapped stages: rounding where its tap's mathematics is equal in the run of the candidate alone."""
        mathematics = self._of(verdict)
        if verdict.passed or mathematics is None or not mathematics.passed:
            return verdict
        return settled(
            verdict, mathematics, own.get((verdict.mode, verdict.tap, verdict.branch), math.nan), strict=self.strict
        )

    def _of(self, verdict: Verdict) -> Mathematics | None:
        """The mathematics of a tap, of its branch or, where shapes or taps are wrong, of the whole.

        A tap that is equal in the free run stands for both: it was not run teacher-forced.
        """
        keys = [(mode, verdict.tap, branch) for mode in (verdict.mode, ACCUMULATED) for branch in (verdict.branch, "")]
        return next((self.mathematics[key] for key in keys if key in self.mathematics), None)

    def _measured(self, name: str) -> str:
        """The tap whose own floor a verdict rests on: of a decision, that of the values it is made on."""
        tap = Tap(name, name.partition("[")[0], "")
        decision = self.contract.decision(tap)
        return decision.source(tap) if decision else name
