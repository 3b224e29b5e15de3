"""The candidate in one process on its device: segments run one by one, each from the reference's state.

The run is that of `parity verify --recording`, in both of its ways, free and teacher-forced. Both begin with what the
reference in float32 has there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.frames import told
from parity.capture.runner import adapter
from parity.capture.trace import Trace, copied
from parity.contract import FULL, Segment, Tap
from parity.judge.segment import Assessment, Judging
from parity.mutate import worker
from parity.mutate.subject import Pair, Subject
from parity.mutate.trial import Seen, fold
from parity.run.clock import Clock
from parity.run.recordings import Recorded
from parity.run.runs import Runs, Turn

Failing = Mapping[Pair, Sequence[Sequence[str]]]
"""Of each pair the verdicts that fail of the candidate as it is, by mode, tap and branch."""


def begin(subject: Subject, folders: Mapping[str, Path], failing: Failing | None = None) -> None:
    """Prepare a process: nothing that can be changed is imported, and nothing runs on a device before it forks."""
    recorded = {case: Recorded(folder) for case, folder in folders.items()}
    worker.prepare(subject, lambda phase: OnDevice(subject, recorded, failing, phase))


class OnDevice:
    """The runs of the candidate that this process has made, one a case. `phase` is told what is done.

    Without `failing` all verdicts are seen, and the device is asked whether its float32 is one.
    """

    def __init__(
        self,
        subject: Subject,
        recorded: Mapping[str, Recorded],
        failing: Failing | None,
        phase: Callable[[str], object],
    ):
        self.subject, self.recorded, self.failing, self.phase = subject, recorded, failing, phase
        self.runs: dict[str, Runs] = {}

    @cached_property
    def environment(self) -> dict[str, str]:
        """What says which device it is."""
        found: dict[str, str] = adapter(self.subject.contract.sides["candidate"]["framework"]).environment()
        return found

    def try_(self, pair: Pair) -> Seen:
        """Run a segment in each of its modes, up to the first verdict that fails."""
        known = None if self.failing is None else {tuple(key) for key in self.failing.get(pair, ())}
        seen, digest = Seen(), hashlib.sha256()
        segment, recorded = self.subject.segment(pair), self.recorded[pair.case]
        try:
            runs = self._made(pair.case)
            self.phase(worker.RUN)
            for mode in segment.modes:
                start = recorded.start(pair.number)
                runs.states["candidate"], runs.stopped = copied(start), ""
                judging = _Seeing(runs, segment, mode, recorded.judges(pair.number, mode), known, seen, digest)
                try:
                    runs.candidate(Turn(segment, mode, copied(start), judging.given_traces), judging)
                finally:
                    seen.crash = runs.stopped.partition(": ")[2]
        except _Noticed:
            pass
        except MemoryError:
            raise
        except BaseException as error:
            seen.crash = told(error)
        seen.digest = digest.hexdigest()
        return seen

    def _made(self, name: str) -> Runs:
        if name not in self.runs:
            self.phase(worker.LOAD)
            case, checkpoint = self.subject.cases[name], self.subject.checkpoints[name]
            contract = self.subject.contract.rules_of(name)
            clock = Clock(lambda message: None)
            informative = self.failing is not None
            self.runs[name] = Runs(contract, case, checkpoint, FULL, ("candidate",), clock, informative)
        return self.runs[name]


class _Noticed(BaseException):
    """Ends a run at its first failing verdict; no exception that a candidate could catch."""


class _Seeing(Judging):
    """Judges as it does, and notes what is seen: of verdicts that fail also as it is, nothing but that they do."""

    def __init__(
        self,
        runs: Runs,
        segment: Segment,
        mode: str,
        traces: Mapping[str, Trace],
        known: set[tuple[str, ...]] | None,
        seen: Seen,
        digest: Any,
    ):
        super().__init__(Assessment(runs.contract, runs.case), segment, mode, traces)
        self.given_traces = dict(traces)
        self.known, self.seen, self.digest = known, seen, digest

    def judge(self, tap: Tap, array: np.ndarray) -> None:
        fold(self.digest, tap.name, array)
        super().judge(tap, array)
        self._note()

    def fail(self, name: str, reason: str) -> None:
        super().fail(name, reason)
        self._note()

    def _note(self) -> None:
        for verdict in self.assessment.verdicts:
            key, used = (verdict.mode, verdict.tap, verdict.branch), verdict.used
            if verdict.passed:
                self.seen.worst = max(self.seen.worst, used if math.isfinite(used) else 0.0)
            elif self.known is None:
                self.seen.failing.append(list(key))
            elif key not in self.known:
                ratio = verdict.ratio
                self.seen.tap, self.seen.reason = verdict.label, f"{verdict.mode}: {verdict.reason}"
                self.seen.error = ratio if math.isfinite(ratio) else None
                raise _Noticed
        self.assessment.verdicts.clear()
