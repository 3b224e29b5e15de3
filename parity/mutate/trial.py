"""The candidate in one process: segments run one by one, each from the reference's state, and are judged in double."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.base.frames import told
from parity.capture.handed import handed_on
from parity.capture.runner import Runner, adapter
from parity.capture.trace import copied
from parity.contract import ACCUMULATED, Contract, Segment, Tap
from parity.contract.implementation import Case, make_side
from parity.exact.standin.array import halves_are_exact
from parity.judge.mathematics import BOUND, Mathematics, with_floor
from parity.judge.proving import Proving
from parity.mutate.references import Floors, decided
from parity.mutate.subject import HALF, Pair, Subject


@dataclass
class Seen:
    """What a run of a segment showed.

    `tap`, `reason` and `error` are of the first verdict that is wrong; `crash` is the exception that ended the run.
    Where there is neither, `worst` is the largest error, `by_floor` says that a noise floor was needed, and `digest`
    is of every bit that was seen. On a device `error` is in noise floors, `worst` in bounds, and `failing` are the
    verdicts that fail of a candidate as it is.
    """

    tap: str = ""
    reason: str = ""
    error: float | None = None
    crash: str = ""
    worst: float = 0.0
    by_floor: bool = False
    digest: str = ""
    failing: list[list[str]] = field(default_factory=list)

    @property
    def noticed(self) -> bool:
        return bool(self.reason or self.crash)


@contextmanager
def in_double(contract: Contract) -> Iterator[None]:
    """Where a candidate runs: on the stand-in for MLX, or under a double default of PyTorch."""
    framework, double = contract.sides["candidate"]["framework"], ExitStack()
    if framework == "torch":
        from parity.exact.torch import widened

        double.enter_context(widened())
    else:
        from parity.exact.standin import installed

        double.enter_context(installed())
    with double:
        adapter(framework)  # imports it
        yield


class _Wrong(BaseException):
    """Ends a run at its first wrong verdict; no exception that a candidate could catch."""


class Candidate:
    """The sides of the candidate that this process has made, one a case. `phase` is told what is done."""

    def __init__(self, subject: Subject, phase: Callable[[str], object] = lambda name: None):
        self.subject, self.phase = subject, phase
        self.runners: dict[tuple[str, str], Runner] = {}
        self.stage = ""

    def try_(self, pair: Pair) -> Seen:
        """Run a segment from the reference's state before it, up to the first verdict that is wrong."""
        judged = _Judged(self.subject, pair)
        try:
            runner = self.runner(pair.case, pair.device)
            runner.root(judged.segment)
            self.phase("run")
            start = judged.reference.start(pair.number)
            left = runner.run(judged.segment, copied(start), judged.see, forced=judged.decided)
            for tap, array in handed_on(runner.contract, judged.segment, start, left, judged.taps):
                judged.see(tap, array)
            judged.finish()
        except _Wrong:
            pass
        except MemoryError:
            raise
        except BaseException as error:
            judged.seen.crash = told(error)
        return judged.seen

    def run(self, case: Case) -> str:
        """A digest of a whole run on each device, a segment from the state that the last left; or what ended it."""
        digest = hashlib.sha256()
        contract = self.subject.contract.rules_of(case.name)
        try:
            for device in self.subject.devices(case.name):
                _take(device)
                state, runner = case.inputs, self._make(case, device)
                for segment in contract.segments(case.dims, case.segments):
                    state = runner.run(segment, state, lambda tap, array: fold(digest, tap.name, array))
                for name, array in sorted(state.items()):
                    fold(digest, name, array)
        except MemoryError:
            raise
        except BaseException as error:
            return f"{type(error).__name__}: {error}"
        return digest.hexdigest()

    def runner(self, name: str, device: str) -> Runner:
        """The side of a case on a device, made when it is first asked for."""
        _take(device)
        if (name, device) not in self.runners:
            self.phase("load")
            self.runners[name, device] = self._make(self.subject.cases[name], device)
        return self.runners[name, device]

    def _make(self, case: Case, device: str) -> Runner:
        contract = self.subject.contract.rules_of(case.name)
        dtype = "float64" if contract.sides["candidate"]["framework"] == "torch" else "float32"
        if device.endswith(HALF):
            dtype = "bfloat16"
        side = make_side(contract, "candidate", self.subject.checkpoints[case.name], case, dtype)
        return Runner(contract, "candidate", side)


class _Judged:
    """The verdicts on a run of a segment."""

    def __init__(self, subject: Subject, pair: Pair):
        case = subject.cases[pair.case]
        self.contract: Contract = subject.contract.rules_of(case.name)
        self.segment: Segment = subject.segment(pair)
        self.reference = subject.opened[pair.case]
        self.taps = self.reference.taps(pair.number)
        self.decided = decided(self.contract, self.segment, self.taps)
        self.floors: Floors = self.reference.floors[pair.number]
        self.verdicts: list[Mathematics] = []
        self.proving = Proving(self.contract, self.segment, case, ACCUMULATED, self.taps, self.verdicts)
        self.digest, self.seen = hashlib.sha256(), Seen()

    def see(self, tap: Tap, array: np.ndarray) -> None:
        fold(self.digest, tap.name, array)
        self.proving.visit(tap, array)
        self._weigh()

    def finish(self) -> None:
        self.proving.finish()
        self._weigh()
        self.seen.digest = self.digest.hexdigest()

    def _weigh(self) -> None:
        for verdict in self.verdicts:
            if verdict.doubtful:
                verdict = with_floor(verdict, self.floors.get((verdict.tap, verdict.branch), float("nan")))
            error = verdict.error if verdict.error == verdict.error else None
            if not verdict.passed:
                self.seen.tap, self.seen.reason, self.seen.error = verdict.label, verdict.reason, error
                raise _Wrong
            self.seen.worst = max(self.seen.worst, error or 0.0)
            self.seen.by_floor |= verdict.error > BOUND
        self.verdicts.clear()


def _take(device: str) -> None:
    """Say on the stand-in for MLX that the default device is this one, and whether half precision is one by name."""
    if (core := sys.modules.get("mlx.core")) is not None:
        kind, _, _ = device.partition(" ")
        core.set_default_device(core.Device(core.DeviceType[kind]))
        halves_are_exact(device.endswith(HALF))


def fold(digest: Any, name: str, array: np.ndarray) -> None:
    """Take a tap into a digest of every bit."""
    digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
