"""What a run found: every verdict in execution order, the swapped runs, and the checks of what it ends in."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from parity.base.exercise import Exercise
from parity.contract import FULL, LOCAL
from parity.diagnose.conclude import Diagnosis
from parity.judge.snapshots import Picture, Sound
from parity.judge.verdict import Verdict
from parity.run.not_judged import Unjudged

SCHEMA = 4
BOTH, RECORDING, DUMPS = "both sides", "recording", "dumps"
"""What a result was judged from: a run of both sides, a recording of the reference, or dumps of the candidate."""
WEIGHTS, GIVEN, PUBLISHED = "weights", "given", "published"
"""The entry of an environment that says what kind of weights were run; those of a named checkpoint may be any."""


@dataclass(frozen=True)
class Check:
    """One figure of what a run ends in, against its bound. `bound` says it in words: `>= 50 dB`."""

    name: str
    value: float
    bound: str
    passed: bool


@dataclass(frozen=True)
class Swap:
    """One run whose stages were taken from one side or the other, and the verdict on what it ends in."""

    sides: dict[str, str]
    verdict: Verdict


@dataclass
class Report:
    """Every verdict of a run, in execution order, and what the run was.

    `places` says which stage the verdicts are of: so many of one, then so many of another. `chain` is the contract's.
    `pictures` and `sounds` are to be looked at and listened to. `diagnosis` has what the first failure looks like, the
    likeliest first. `command` is what ran it, `when` in UTC. An
    `informative` one is to be looked at: float32 need not have been float32.
    `program` says why a tap's mathematics is not known, if so; `strict` that rounding does not pass. `operation` is the
    first line of the port that the device has wrong, where one was found (`parity/run/operation.py`). `departures` are
    the operations of both sides, as formulas with their lines, where the first wrong segment departs in double.
    `not_judged` are the taps that the contract leaves out: they are neither expected nor failures.
    `subject` are hashes of what was run (`parity/run/proof.py`), and `source` says from what it was judged.
    `exercise` is what of the candidate's source was run in double, and which way.

    A report passes if every expected verdict was given and passed:

    >>> import numpy as np
    >>> values = np.random.default_rng(0).standard_normal((2, 500))
    >>> right = parity.judge_tap(values.astype(np.float32), values.astype(np.float32), values)
    >>> report = parity.Report("short", "weights", ["encode"], expected=2, verdicts=[right])
    >>> report.passed, report.failures
    (False, [])
    >>> report.verdicts.append(right)
    >>> report.passed, report.as_dict()["schema"]
    (True, 4)
    """

    case: str
    checkpoint: str
    segments: list[str]
    expected: int
    verdicts: list[Verdict] = field(default_factory=list)
    swaps: list[Swap] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    precision: str = FULL.name
    chain: dict[str, Any] = field(default_factory=dict)
    places: list[tuple[str, int]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    command: str = ""
    informative: bool = False
    program: str = ""
    strict: bool = False
    operation: dict[str, Any] = field(default_factory=dict)
    departures: list[str] = field(default_factory=list)
    not_judged: dict[str, Unjudged] = field(default_factory=dict)
    subject: dict[str, str] = field(default_factory=dict)
    exercise: Exercise = field(default_factory=Exercise)
    source: str = BOTH
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def failures(self) -> list[Verdict]:
        """What failed given the reference's inputs, then what an error may have reached; each in execution order."""
        return sorted((v for v in self.verdicts if not v.passed), key=lambda v: v.mode != LOCAL)

    @property
    def passed(self) -> bool:
        """All expected verdicts were given and each passed, and so did each swap and each check."""
        complete = bool(self.verdicts) and len(self.verdicts) == self.expected and not self.failures
        crossed = all(swap.verdict.passed for swap in self.swaps)
        return complete and crossed and all(check.passed for check in self.checks)

    @property
    def first_failure(self) -> Verdict | None:
        """Where it went wrong first: the first local error above its bound, else the first failure of any kind."""
        return next(iter(self.failures), None)

    @property
    def nearest(self) -> Verdict | None:
        """The verdict that uses up most of its bound; None where no verdict has a ratio."""
        return max((v for v in self.verdicts if v.nearest), key=lambda v: v.used, default=None)

    @property
    def ties(self) -> int:
        """How many discrete decisions fell otherwise and are right all the same."""
        return sum(verdict.ties for verdict in self.decisions)

    @property
    def decisions(self) -> list[Verdict]:
        """The verdicts on discrete decisions whose margin is known."""
        return [verdict for verdict in self.verdicts if verdict.margin == verdict.margin]

    def words(self) -> dict[str, int]:
        """How many verdicts have each word; empty where the candidate was not run in double."""
        return dict(Counter(verdict.word for verdict in self.verdicts if verdict.word))

    def worst(self, name: str) -> float:
        """The largest `ratio32` or `ratio64` of any verdict; NaN where none has one."""
        ratios = (getattr(verdict, name) for verdict in self.verdicts)
        return max((ratio for ratio in ratios if ratio == ratio), default=float("nan"))

    def add_place(self, stage: str, count: int) -> None:
        """The last `count` verdicts are of that stage."""
        if self.places and self.places[-1][0] == stage:
            count += self.places.pop()[1]
        self.places.append((stage, count))

    def select(self, pattern: str = "", mode: str = "") -> list[Verdict]:
        """The verdicts whose tap starts with `pattern`, of one mode or both."""
        return [v for v in self.verdicts if v.tap.startswith(pattern) and mode in ("", v.mode)]

    def as_dict(self) -> dict[str, Any]:
        first = self.first_failure
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "case": self.case,
            "precision": self.precision,
            "checkpoint": self.checkpoint,
            "segments": self.segments,
            "expected_verdicts": self.expected,
            "failures": len(self.failures),
            "ties": self.ties,
            "first_failure": first.as_dict() if first else None,
            "diagnosis": self.diagnosis.as_dict() if self.diagnosis else None,
            "swaps": [{"sides": swap.sides} | swap.verdict.as_dict() for swap in self.swaps],
            "checks": [asdict(check) for check in self.checks],
            "environment": self.environment,
            "seconds": self.seconds,
            "informative": self.informative,
            "words": self.words(),
            "program": self.program,
            "strict": self.strict,
            "operation": self.operation or None,
            "departures": self.departures,
            "not_judged": {name: one.as_dict() for name, one in self.not_judged.items()},
            "subject": self.subject,
            "exercise": self.exercise.as_dict(),
            "source": self.source,
            "command": self.command,
            "when": self.when,
            "chain": self.chain,
            "places": self.places,
            "pictures": [picture.as_dict() for picture in self.pictures],
            "sounds": [sound.as_dict() for sound in self.sounds],
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
        }
