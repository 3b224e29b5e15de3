"""The runs that a verdict rests on: each side's, segment by segment, with the state that it has reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.base.errors import InputError
from parity.base.frames import told
from parity.base.runtime import return_memory
from parity.capture.handed import completed, entries, handed_on
from parity.capture.probe import require_float32
from parity.capture.runner import Runner, Visit
from parity.capture.trace import Trace, copied, keep, require_contract
from parity.contract import ACCUMULATED, FULL, LOCAL, Contract, Precision, Segment
from parity.contract.implementation import Case, State, make_side
from parity.judge.segment import Judging
from parity.run.clock import Clock

SIDES = ("reference", "exact", "rounded", "candidate")
WHOSE = {"exact": "the float64 reference", "rounded": "the reference with rounded weights"}


@dataclass(frozen=True)
class Turn:
    """One run of a segment: freely, or teacher-forced from the state `start`. `traces` has the runs made before."""

    segment: Segment
    mode: str
    start: Trace
    traces: dict[str, Trace]


class Runs:
    """The runs of one case, each in `states` with what it has reached.

    `reference` is in float32, `exact` in float64, `rounded` in float32 with weights rounded as the candidate's are, and
    `candidate` in the precision's dtype. Only the runs named in `sides` are made. `decided` has the reference's
    discrete decisions, which `exact` and `rounded` follow; `stopped` says where the candidate stopped, and why.
    `carried` has the entries of the candidate's state behind each segment. An `informative` run needs no float32 that
    is float32.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        precision: Precision,
        sides: Collection[str],
        clock: Clock,
        informative: bool,
    ):
        self.contract, self.case, self.clock = contract, case, clock
        self.environment: dict[str, str] = {}
        self.runners: dict[str, Runner] = {}
        for label, dtype, weights in (
            ("reference", "float32", FULL.weights),
            ("exact", "float64", FULL.weights),
            ("rounded", "float32", precision.weights),
            ("candidate", precision.compute, precision.weights),
        ):
            if label not in sides or (label == "rounded" and precision == FULL):
                continue
            clock.progress(f"preparing {label}")
            name = "candidate" if label == "candidate" else "reference"
            runner = Runner(contract, name, make_side(contract, name, checkpoint, case, dtype, weights))
            if not informative:
                require_float32(runner.adapter)
            self.environment |= runner.adapter.environment()
            self.runners[label] = runner
        self.begin()

    def begin(self) -> None:
        """Go back to the inputs of the case."""
        self.states: dict[str, State] = dict.fromkeys(SIDES, self.case.inputs)
        self.decided: dict[str, np.ndarray] = {}
        self.carried: dict[str, frozenset[str]] = {}
        self.stopped = ""

    @property
    def others(self) -> list[str]:
        """The runs that the candidate is judged by besides the reference's."""
        return [name for name in ("exact", "rounded") if name in self.runners]

    def reference(self, segment: Segment, trace: Trace) -> None:
        """The float32 reference, from the state that it has reached."""
        given, see = self.states["reference"], keep(trace)
        with self.clock("reference", segment.label):
            self.states["reference"] = self.runners["reference"].run(segment, given, see)
        require_contract(self.contract, segment, trace, "the reference")
        for tap, array in handed_on(self.contract, segment, given, self.states["reference"]):
            see(tap, array)
        self.decided |= {tap.name: np.array(trace[tap.name]) for tap in segment.taps if self.contract.decision(tap)}

    def other(self, which: str, turn: Turn) -> None:
        """One of `others`, into its trace of the turn."""
        names = list(turn.traces["reference"])
        self._run(which, turn, keep(turn.traces[which]), keep(turn.traces[which], names), self.decided)
        if turn.mode == ACCUMULATED:
            require_contract(self.contract, turn.segment, turn.traces[which], WHOSE[which])

    def candidate(self, turn: Turn, judging: Judging) -> None:
        """The candidate, judged as it runs. One that stops has verdicts, too: the taps that it did not reach fail.

        In place of a segment that it does not have it goes on with what the reference hands on.
        """
        if self.contract.unported(turn.segment):
            self.states["candidate"] = {**self.states["candidate"], **copied(entries(turn.traces["reference"]))}
            return
        stopped = self.stopped if turn.mode == ACCUMULATED else ""
        try:
            if not stopped:
                self._run("candidate", turn, judging.visit, judging.visit, judging.followed)
        except (InputError, OSError, MemoryError):  # of the machine, or of a file: no fault of the mathematics
            raise
        except Exception as error:
            stopped = f"the candidate stopped in {turn.segment.label}: {told(error)}"
            self.stopped = self.stopped or stopped
        judging.finish(stopped)

    def _run(self, which: str, turn: Turn, visit: Visit, end: Visit, decided: Mapping[str, np.ndarray]) -> None:
        """Run a segment. `visit` is given its taps, and `end` what it hands on."""
        runner, segment, reference = self.runners[which], turn.segment, turn.traces["reference"]
        if turn.mode == LOCAL:
            given = dict(turn.start)
            with self.clock(f"{which}, teacher-forced", segment.label):
                left = runner.run(segment, given, visit, forced=reference)
        else:
            given = self.states[which]
            with self.clock(which, segment.label):
                left = runner.run(segment, given, visit, forced=decided)
            self.states[which] = left
            if which == "candidate":
                self.states[which] = completed(self.contract, segment, left, entries(reference))
                self.carried[segment.label] = frozenset(self.states[which])
        for tap, array in handed_on(self.contract, segment, given, left, reference):
            end(tap, array)

    def before(self, segments: list[Segment]) -> dict[str, State]:
        """The state of each run behind these segments, the first of the case, run again."""
        states: dict[str, State] = dict.fromkeys(self.runners, self.case.inputs)
        for segment in segments:
            for name, runner in self.runners.items():
                if name == "candidate" and self.contract.unported(segment):
                    states[name] = states["reference"]
                    continue
                left = runner.run(segment, states[name], lambda tap, array: None, forced=self.decided)
                if name == "candidate":
                    left = completed(self.contract, segment, left, states.get("reference", {}))
                states[name] = left
        return states

    def release(self, *names: str) -> None:
        """Let go of the weights of these sides, all by default."""
        for name in names or self.runners:
            self.runners[name].side.release()
        return_memory()
