"""Binary search for the tap that makes a stage wrong, where capturing everything is too much.

At the midpoint every value up to it is replaced by the reference's, and the candidate runs what follows. If the stage's
end is then right, the fault lies before; else behind. With more than one fault this finds the last.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import bounded
from parity.base.errors import InputError, UnknownNameError
from parity.base.files import write_text
from parity.base.names import meant
from parity.capture.runner import Runner
from parity.capture.trace import Trace, keep, require_contract
from parity.contract import ACCUMULATED, LOCAL, Contract, Tap
from parity.contract.implementation import Case, State, make_side
from parity.judge.floor import noise_floor
from parity.judge.segment import branches
from parity.judge.ties import Decisions, margins
from parity.judge.verdict import Verdict, judge

SCHEMA = 1
FREE = -1
"""The midpoint of a run of which nothing is replaced."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Probe:
    """One partial run: every tap up to number `midpoint` was the reference's. Was the end right?"""

    midpoint: int
    tap: str
    passed: bool
    ratio32: float


@dataclass(frozen=True)
class Found:
    """What the search found: the tap behind which all is right (`""` where the free run is), and every probe.

    `runs` counts the candidate's, or the dumps that were read; `partial_runs` is without the one of the whole stage.
    """

    culprit: str
    end: str
    taps: int
    runs: int
    partial_runs: int
    probes: list[Probe] = field(default_factory=list)
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Bisection:
    """A search in one stage of a case, or in all of it. The candidate starts from the reference's state.

    `state` is a file that the outcome of each probe is written to and read from: a search that was interrupted, or is
    to be shown again, makes no run twice. Raises `InputError` for a stage, an end or a state file that does not fit.
    """

    def __init__(
        self,
        contract: Contract,
        case: Case,
        checkpoint: Path,
        stage: str = "",
        end: str = "",
        state: Path | None = None,
        say: Progress = lambda message: None,
    ):
        self.contract, self.case, self.say = contract.rules_of(case.name), case, say
        every = contract.segments(case.dims, case.segments)
        self.segments = [segment for segment in every if stage in ("", segment.stage)]
        if not self.segments:
            advice = meant(stage, (segment.stage for segment in every))
            raise UnknownNameError(f"no stage {stage!r} in case {case.name}; {advice}")
        self.before = every[: every.index(self.segments[0])]
        self.taps = [
            (number, tap)
            for number, segment in enumerate(self.segments)
            for tap in segment.taps
            if self.contract.unjudged(tap.name) is None
        ]
        names = [tap.name for _, tap in self.taps]
        if end and end not in names:
            raise UnknownNameError(f"no tap {end!r} in the stage; {meant(end, reversed(names))}")
        self.runners = {
            label: Runner(contract, name, make_side(contract, name, checkpoint, case, dtype))
            for label, name, dtype in (
                ("reference", "reference", "float32"),
                ("exact", "reference", "float64"),
                ("candidate", "candidate", "float32"),
            )
        }
        self.starts: list[State] = []
        self.margins: dict[str, np.ndarray] = {}
        self.decisions, self.decided = Decisions(), dict[str, np.ndarray]()
        self.ends: dict[str, np.ndarray] = {}
        self.runs = self.whole = 0
        self._prepare(end)
        self.file, self.known = state, _load(state, self._about()) if state else {}

    def run(self) -> Found:
        """Search, with at most log2(taps) + 2 partial runs of the candidate beside one of the whole stage."""
        probes = [self._probe(FREE)]
        if probes[0].passed:
            return self._found("", probes, "the free run of the stage ends right")
        bad, good = FREE, len(self.taps) - 1
        while good - bad > 1:
            probes.append(self._probe((bad + good) // 2))
            bad, good = (bad, probes[-1].midpoint) if probes[-1].passed else (probes[-1].midpoint, good)
        number, tap = self.taps[good]
        local = self._local(number, tap)
        note = (
            "" if local else f"{tap.name} is right by itself: {self.segments[number].label} hands on more than its taps"
        )
        return self._found(tap.name, probes, note)

    def _found(self, culprit: str, probes: list[Probe], note: str) -> Found:
        return Found(culprit, self.end.name, len(self.taps), self.runs, self.runs - self.whole, probes, note)

    def _prepare(self, end: str) -> None:
        """Run the reference in both precisions once: where segments start, near decisions, and the stage's end."""
        state: State = self.case.inputs
        for segment in self.before:
            self.say(f"{segment.label}: reference")
            state = self.runners["reference"].run(segment, state, lambda tap, array: None)
        exact = state
        for segment in self.segments:
            self.say(f"{segment.label}: reference")
            self.starts.append(state)
            trace: Trace = {}
            precise: Trace = {}
            state = self.runners["reference"].run(segment, state, keep(trace))
            require_contract(self.contract, segment, trace, "the reference")
            self.decided |= {tap.name: trace[tap.name] for tap in segment.taps if self.contract.decision(tap)}
            exact = self.runners["exact"].run(segment, exact, keep(precise), forced=self.decided)
            for tap in segment.taps:
                self._note(tap, trace, precise)
                if tap.name == end or (not end and trace[tap.name].dtype.kind == "f"):
                    self.end, self.ends = tap, {"reference": trace[tap.name], "exact": precise[tap.name]}
        names = [tap.name for _, tap in self.taps]
        if not self.ends:
            raise InputError("the stage has no tap of numbers, whose error could be followed; name another stage")
        self.taps = self.taps[: names.index(self.end.name) + 1]

    def _note(self, tap: Tap, trace: Trace, precise: Trace) -> None:
        decision = self.contract.decision(tap)
        if decision is not None:
            source = decision.source(tap)
            floor = noise_floor(trace[source], precise[source])
            self.margins[tap.name] = margins(decision, self.case, tap, trace[source], floor)
            self.decisions.note(tap.name, trace[tap.name], self.margins[tap.name])

    def _probe(self, midpoint: int) -> Probe:
        """Run the candidate with the reference's values up to a tap, and judge the end."""
        name = self.taps[midpoint][1].name if midpoint >= 0 else ""
        if midpoint in self.known:
            return self.known[midpoint]
        most = 1 + (len(self.taps) - 1).bit_length()
        self.say(f"{len(self.known) + 1} of at most {most}, candidate behind {name or 'nothing'}")
        first = self.taps[midpoint][0] if midpoint >= 0 else 0
        forced = self._values(first, midpoint) if midpoint >= 0 else {}
        whole = midpoint >= 0 and self.segments[first].taps[-1].name == name
        first, forced = (first + 1, {}) if whole else (first, forced)  # nothing of a segment that is replaced is run
        state, seen = self.starts[first], {}
        self.runs += 1
        self.whole += midpoint == FREE
        for segment in self.segments[first : self._last() + 1]:
            followed = dict(forced)

            def visit(tap: Tap, array: np.ndarray, followed: dict[str, np.ndarray] = followed) -> None:
                if tap.name not in followed:
                    followed |= self.decisions.followed(tap.name, array)
                if tap.name == self.end.name:
                    seen[tap.name] = np.array(array)

            if self.contract.unported(segment):
                state = self.starts[self.segments.index(segment) + 1]
                continue
            state = self.runners["candidate"].run(segment, state, visit, forced=followed)
        verdicts = self._judge(
            self.end, seen.get(self.end.name), self.ends["reference"], self.ends["exact"], ACCUMULATED
        )
        probe = Probe(midpoint, name, all(v.passed for v in verdicts), max(v.ratio32 for v in verdicts))
        self.known[midpoint] = probe
        if self.file:
            _store(self.file, self._about(), self.known)
        return probe

    def _values(self, number: int, midpoint: int) -> dict[str, np.ndarray]:
        trace: Trace = {}
        self.runners["reference"].run(self.segments[number], self.starts[number], keep(trace))
        wanted = [tap.name for at, tap in self.taps[: midpoint + 1] if at == number]
        return {name: trace[name] for name in wanted}

    def _local(self, number: int, tap: Tap) -> bool:
        """Whether the tap is wrong when its segment is fed with the reference's values."""
        segment, start = self.segments[number], self.starts[number]
        traces: dict[str, Trace] = {"reference": {}, "exact": {}, "candidate": {}}
        self.runs += 1
        for side, trace in traces.items():
            forced = traces["reference"] if side != "reference" else None
            self.runners[side].run(segment, start, keep(trace), forced=forced)
        ours = traces["candidate"].get(tap.name)
        verdicts = self._judge(tap, ours, traces["reference"][tap.name], traces["exact"][tap.name], LOCAL)
        return not all(verdict.passed for verdict in verdicts)

    def _judge(
        self, tap: Tap, ours: np.ndarray | None, reference: np.ndarray, exact: np.ndarray, mode: str
    ) -> list[Verdict]:
        if ours is None:
            raise InputError(f"the candidate does not reach {tap.name}; see `parity verify`")
        rule = self.contract.rule(tap.name, mode)
        parts = branches(self.contract, tap.axes, ours, reference, exact)
        return [
            judge(tap.name, label, mode, rule, c, r, e, margins=self.margins.get(tap.name)) for label, c, r, e in parts
        ]

    def _last(self) -> int:
        return self.taps[-1][0]

    def _about(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "case": self.case.name, "end": self.end.name, "taps": len(self.taps)}


def _load(file: Path, about: dict[str, Any]) -> dict[int, Probe]:
    if not file.is_file():  # nothing was written to it, or it is a device, which keeps nothing
        return {}
    try:
        data = bounded.read_json(file)
        probes = [Probe(**entry) for entry in data.pop("probes")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: not the state of a bisection ({error}); name another file with --state") from error
    if data != about:
        raise InputError(f"{file}: is of {data}, expected {about}; name another file with --state")
    return {probe.midpoint: probe for probe in probes}


def _store(file: Path, about: dict[str, Any], known: dict[int, Probe]) -> None:
    text = json.dumps(about | {"probes": [asdict(probe) for probe in known.values()]}, indent=1)
    write_text(text + "\n", file)
