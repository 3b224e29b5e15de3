"""Prove a candidate against the reference in double, segment by segment: the mathematics alone, without rounding.

The reference runs once, in float64. The candidate's own program runs beside it, on a stand-in for its framework that
computes in double: freely, from its own state, where it follows the reference's decisions. No device, no precision and
no machine has a say in the verdicts.

A tap that is equal to 1e-10 in the free run says that every block before it is right. From the first segment that is
not equal on, the candidate runs teacher-forced as well: each block gets the reference's own inputs, so that each fault
is found at its own block. A teacher-forced run of what is equal would compute the same from the same inputs again.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.base.frames import told
from parity.base.runtime import return_memory
from parity.capture.handed import Stored, completed, entries, handed_on
from parity.capture.runner import Runner
from parity.capture.trace import DiskTrace, Trace, copied, keep, require_contract
from parity.contract import ACCUMULATED, LOCAL, Contract, Segment
from parity.contract.implementation import Case, Side, State, make_side
from parity.exact.exercise import exercised
from parity.exact.program import NoProgram
from parity.judge.mathematics import BOUND, Mathematics, with_floor
from parity.judge.proving import Proving
from parity.run.axes import Axes
from parity.run.clock import Clock
from parity.run.exact_report import ExactReport
from parity.run.explained import explained, texts
from parity.run.floors import NoiseFloors
from parity.run.not_judged import note

LARGE = 1 << 30
"""Bytes of a checkpoint from which on a stage that runs in turn is not explained: its weights would be held twice."""

KNOWN = {"reference": ("torch",), "candidate": ("mlx", "torch")}
"""The frameworks that a side can have in double."""


class Exact:
    """Proves a contract's candidate on a case. Raises `InputError` for unusable input.

    With `teacher_forced` each segment runs in both ways, else where the free run is not equal. `device`, `gpu` or
    `cpu`, is what an MLX candidate is told that it runs on: many have a way of their own for each.

    Only one segment's values are held at a time. Of the stages that the contract names as `in_turn` the two sides'
    weights are never held together: each side runs all of the stage, with the traces in a temporary folder.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        progress: Callable[[str], None] = lambda message: None,
        teacher_forced: bool = False,
        device: str = "gpu",
    ):
        self.contract = contract = contract.rules_of(case.name)
        self.case, self.checkpoint, self.progress = case, checkpoint, progress
        self.forced, self.device = teacher_forced, device
        self.segments = contract.segments(case.dims, case.segments)
        contract.check_decisions(self.segments)
        for name, known in KNOWN.items():
            if (framework := contract.sides[name]["framework"]) not in known:
                expected = " or ".join(map(repr, known))
                raise NoProgram(f"{contract.path}: the {name}'s framework is {framework!r}, expected {expected}")
        self.clock = Clock(progress)
        self.report = ExactReport(
            case.name,
            str(checkpoint),
            [segment.label for segment in self.segments],
            sum(contract.count(segment.taps) for segment in self.segments),
            environment=_versions(side["framework"] for side in contract.sides.values()) | {"program for": device},
            seconds=self.clock.seconds,
        )
        self.decided: dict[str, np.ndarray] = {}
        self.judged: dict[tuple[int, str], range] = {}
        self.floors = NoiseFloors(contract, case, checkpoint, self.segments, self.decided, progress)
        self.states: dict[str, State] = dict.fromkeys(("reference", "candidate"), case.inputs)
        self.axes = Axes(contract)
        self.first: tuple[int, State] | None = None  # the first segment that is wrong given the reference's inputs

    def run(self) -> ExactReport:
        """A verdict for each branch of each tap of the contract in each run that was made, or the report fails."""
        with ExitStack() as stack:
            with self.clock("preparing"):
                self.reference = self._runner("reference", "float64")
                self.candidate = stack.enter_context(self._candidate())
            for stage, numbers in groupby(range(len(self.segments)), key=self._stage_in_turn):
                if stage:
                    self._in_turn(list(numbers))
                else:
                    self._together(list(numbers))
                self._release(self.reference.side, self.candidate.side, self.floors)
            self.report.exercise = self.watching.found(self.case.name, self.axes.sites)
            if self.first is not None:
                self._explain(*self.first)
        return self.report

    def _stage_in_turn(self, number: int) -> str:
        """The stage of a segment whose sides run in turn; none of what they run together, of whatever stages it is."""
        stage = self.segments[number].stage
        return stage if stage in self.contract.in_turn else ""

    def _runner(self, name: str, dtype: str) -> Runner:
        self.progress(f"preparing {name}")
        return Runner(self.contract, name, make_side(self.contract, name, self.checkpoint, self.case, dtype))

    @contextmanager
    def _candidate(self) -> Iterator[Runner]:
        """The candidate with its framework in double; `widened` is where it runs.

        MLX has a stand-in for as long as this holds: the modules that reach it are imported anew, and taken out again
        afterwards. PyTorch has a double default, which the reference in float32 must not see.
        """
        side = self.contract.sides["candidate"]
        self.apart = side["framework"] != "torch"  # a double default is the process's
        modules = {one["factory"].partition(":")[0] for one in self.contract.sides.values()}
        shared = not self.apart and len(modules) == 1 and "." not in min(modules)  # one file for both sides
        with exercised(side["factory"], side["framework"], shared, self.contract.others) as self.watching:
            if self.apart:
                from parity.exact.standin import installed
                from parity.exact.standin.made import making_noted

                self.widened: Callable[[], AbstractContextManager[Any]] = nullcontext
                with installed(self.device), making_noted():
                    yield self._runner("candidate", "float32")
            else:
                from parity.exact.torch import widened

                self.widened = widened
                with widened():
                    candidate = self._runner("candidate", "float64")
                yield candidate

    def _together(self, numbers: list[int]) -> None:
        """The segments of stages whose weights both sides hold; the reference computes the next one beside."""
        with ThreadPoolExecutor(1) as beside:
            ahead = beside.submit(self._reference_of, numbers[0])
            if self.apart:
                self._load_candidate(self.segments[numbers[0]])
            for number, following in zip_longest(numbers, numbers[1:]):
                start, reference = ahead.result()
                if following is not None and self.apart:
                    ahead = beside.submit(self._reference_of, following)
                for mode in self._prove(number, start, reference):
                    wait([ahead])  # a floor is a run of the reference, too
                    self._look_again(number, mode, start, reference)
                self._leave(self.candidate, number)
                if following is not None and not self.apart:
                    ahead = beside.submit(self._reference_of, following)

    def _leave(self, runner: Runner, number: int) -> None:
        """Let go of a side's weights where the next segment is of another stage."""
        if len({segment.stage for segment in self.segments[number : number + 2]}) == 2:
            self._release(runner.side)

    def _load_candidate(self, segment: Segment) -> None:
        """Ahead of its run, which loads otherwise, and says what is wrong."""
        if not self.contract.unported(segment):
            with suppress(Exception):
                self.candidate.root(segment)

    def _reference_of(self, number: int) -> tuple[State, dict[str, np.ndarray]]:
        """The reference's state before a segment, and its taps in it."""
        start, trace = self.states["reference"], dict[str, np.ndarray]()
        self._run_reference(number, trace)
        self._leave(self.reference, number)
        return start, trace

    def _in_turn(self, numbers: list[int]) -> None:
        with tempfile.TemporaryDirectory(prefix="parity-") as folder:
            references, modes = {}, {}
            start = DiskTrace(Path(folder, "start"))
            start.update(self.states["reference"])
            starts = {numbers[0]: Stored({name: (start, name) for name in start})}
            for number in numbers:
                references[number] = DiskTrace(Path(folder, str(number)))
                self._run_reference(number, references[number])
                starts[number + 1] = starts[number].behind(references[number], self.states["reference"])
            self.reference.side.release()  # its memory is the candidate's next: new memory takes the system seconds
            with self.widened():
                self.candidate.root(self.segments[numbers[0]])
            return_memory()  # what loading took besides the weights
            for number in numbers:
                modes[number] = self._prove(number, starts[number], references[number])
            self._release(self.candidate.side)
            for number in numbers:
                for mode in modes[number]:
                    self._look_again(number, mode, starts[number], references[number])

    def _release(self, *held: Side | NoiseFloors) -> None:
        for weights in held:
            weights.release()
        return_memory()

    def _run_reference(self, number: int, trace: Trace) -> None:
        from parity.exact.torch.products import TwoRows

        segment, given, see = self.segments[number], self.states["reference"], keep(trace)
        with self.clock("reference", segment.label), TwoRows():
            self.states["reference"] = self.reference.run(segment, given, see)
        require_contract(self.contract, segment, trace, "the reference in float64")
        self.axes.see(segment, trace)
        for tap, array in handed_on(self.contract, segment, given, self.states["reference"]):
            see(tap, array)
        self.decided |= {tap.name: np.array(trace[tap.name]) for tap in segment.taps if self.contract.decision(tap)}

    def _prove(self, number: int, start: Mapping[str, np.ndarray], reference: Trace) -> list[str]:
        """Run the candidate freely, and teacher-forced where that says something; the modes it ran in."""
        modes = [ACCUMULATED]
        self._judge(ACCUMULATED, number, {}, reference)
        if self.contract.unported(self.segments[number]):
            return []
        verdicts = (self.report.verdicts[place] for place in self.judged[number, ACCUMULATED])
        self.forced = self.forced or not all(verdict.passed and verdict.error <= BOUND for verdict in verdicts)
        if self.forced and LOCAL in self.segments[number].modes:
            modes.append(LOCAL)
            self.report.expected += self.contract.count(self.segments[number].taps)
            self._judge(LOCAL, number, copied(start), reference)
            self.report.teacher_forced.append(self.segments[number].label)
        return modes

    def _judge(self, mode: str, number: int, start: State, reference: Trace) -> None:
        """Run the candidate and judge each tap as it appears."""
        segment, verdicts = self.segments[number], self.report.verdicts
        proving = Proving(self.contract, segment, self.case, mode, reference, verdicts)
        judged = len(verdicts)
        self.report.expected += self.contract.count(self.contract.handed(segment, reference))
        if self.contract.unported(segment):
            note(self.report.not_judged, self.contract, reference, ())
            self.states["candidate"] = {**self.states["candidate"], **copied(entries(reference))}
            return
        stopped = self.report.stopped if mode == ACCUMULATED else ""
        try:
            if mode == LOCAL:
                with self.clock("candidate, teacher-forced", segment.label), self.widened():
                    left = self.candidate.run(segment, start, proving.visit, forced=reference)
            elif not stopped:
                start = self.states["candidate"]
                with self.clock("candidate", segment.label), self.widened():
                    left = self.candidate.run(segment, start, proving.visit, forced=self.decided)
                self.states["candidate"] = completed(self.contract, segment, left, entries(reference))
            if not stopped:
                for tap, array in handed_on(self.contract, segment, start, left, reference):
                    proving.visit(tap, array)
        except (InputError, OSError, MemoryError):  # of the machine, or of a file: no fault of the mathematics
            raise
        except Exception as error:  # a port that stops has a verdict, too: the taps it did not reach fail
            stopped = f"the candidate stopped in {segment.label}: {told(error)}"
            self.report.stopped = self.report.stopped or stopped
        proving.finish(stopped)
        note(self.report.not_judged, self.contract, reference, proving.given)
        self.report.add_place(segment.stage, len(verdicts) - judged)
        if mode == LOCAL and self.first is None and any(_differs(verdict) for verdict in verdicts[judged:]):
            self.first = number, copied(start)
        self.judged[number, mode] = range(judged, len(verdicts))

    def _explain(self, number: int, start: State) -> None:
        """Both sides' formulas where they depart in the first wrong segment: the verdicts stand without them."""
        size = sum(file.stat().st_size for file in self.checkpoint.glob("*.safetensors"))
        if self.segments[number].stage in self.contract.in_turn and size > LARGE:
            self.report.departures = ["not looked into: both sides' weights would be held at once; take a smaller size"]
            return
        try:
            with self.clock("explanation", self.segments[number].label), self.watching.switch.off():
                found = explained(self.segments[number], start, self.reference, self.candidate, self.widened)
            here = f"{Path.cwd()}/"
            said = texts(found, self.segments[number], self.candidate)
            self.report.departures = [text.replace(here, "") for text in said]
        except Exception as error:
            self.report.departures = [f"not looked into: {type(error).__name__}: {error}"]

    def _look_again(self, number: int, mode: str, start: Mapping[str, np.ndarray], reference: Trace) -> None:
        """Judge by their noise floors what is beyond the first bound by so little that a floor could explain it."""
        verdicts = self.report.verdicts
        doubtful = [place for place in self.judged[number, mode] if verdicts[place].doubtful]
        if not doubtful:
            return
        with self.clock("noise floors"):
            wanted = {verdicts[place].tap for place in doubtful}
            floors = self.floors.measure(number, mode, copied(start), reference, wanted)
        for place in doubtful:
            found = floors.get((verdicts[place].tap, verdicts[place].branch), math.nan)
            verdicts[place] = with_floor(verdicts[place], found)


def _differs(verdict: Mathematics) -> bool:
    """The tap is there on both sides, and its values are not equal."""
    return not verdict.passed and verdict.error == verdict.error


def _versions(frameworks: Iterable[str]) -> dict[str, str]:
    """What the verdicts rest on: versions alone, for no device and no machine has a say in them."""
    packages = ("numpy", "scipy", *frameworks)
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
