"""What a run in double found: every mathematics verdict in execution order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from parity.base.exercise import Exercise
from parity.contract import LOCAL
from parity.judge.mathematics import Mathematics
from parity.run.not_judged import Unjudged
from parity.run.report import SCHEMA

KIND = "exact"


@dataclass
class ExactReport:
    """Every verdict of a run in double, and what the run was.

    `places` says which stage the verdicts are of: so many of one, then so many of another. `stopped` says where and why
    the candidate stopped, if it did. `departures` are the operations of both sides, as formulas with their lines, where
    the first wrong segment departs. `teacher_forced` are the segments that ran with the reference's own inputs as well,
    from the first that is not equal in the free run on. `not_judged` are the taps that the contract leaves out.
    `subject` are hashes of what was proven (`parity/run/proof.py`). `exercise` is what of the candidate's source was
    run, and which way.
    """

    case: str
    checkpoint: str
    segments: list[str]
    expected: int
    verdicts: list[Mathematics] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    stopped: str = ""
    departures: list[str] = field(default_factory=list)
    teacher_forced: list[str] = field(default_factory=list)
    not_judged: dict[str, Unjudged] = field(default_factory=dict)
    subject: dict[str, str] = field(default_factory=dict)
    exercise: Exercise = field(default_factory=Exercise)
    command: str = ""
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def failures(self) -> list[Mathematics]:
        """What failed given the reference's inputs, then what an error may have reached; each in execution order."""
        return sorted((v for v in self.verdicts if not v.passed), key=lambda v: v.mode != LOCAL)

    @property
    def passed(self) -> bool:
        """All expected verdicts were given, and each says equal."""
        return bool(self.verdicts) and len(self.verdicts) == self.expected and not self.failures

    @property
    def first_failure(self) -> Mathematics | None:
        """The first tap that is wrong given the reference's inputs, else the first at all."""
        return next(iter(self.failures), None)

    @property
    def amplified(self) -> list[Mathematics]:
        """The verdicts that are equal by the second term of their bound alone."""
        return [verdict for verdict in self.verdicts if verdict.amplified]

    @property
    def worst(self) -> Mathematics | None:
        """The verdict with the largest error in units of its bound."""
        known = [verdict for verdict in self.verdicts if verdict.error == verdict.error]
        return max(known, key=lambda verdict: verdict.error / verdict.bound, default=None)

    def add_place(self, stage: str, count: int) -> None:
        """The last `count` verdicts are of that stage."""
        if self.places and self.places[-1][0] == stage:
            count += self.places.pop()[1]
        self.places.append((stage, count))

    def as_dict(self) -> dict[str, Any]:
        first, worst = self.first_failure, self.worst
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "passed": self.passed,
            "case": self.case,
            "checkpoint": self.checkpoint,
            "segments": self.segments,
            "expected_verdicts": self.expected,
            "failures": len(self.failures),
            "ties": sum(verdict.ties for verdict in self.verdicts),
            "amplified": [verdict.as_dict() for verdict in self.amplified],
            "first_failure": first.as_dict() if first else None,
            "worst": worst.as_dict() if worst else None,
            "stopped": self.stopped,
            "departures": self.departures,
            "not_judged": {name: one.as_dict() for name, one in self.not_judged.items()},
            "teacher_forced": self.teacher_forced,
            "subject": self.subject,
            "exercise": self.exercise.as_dict(),
            "environment": self.environment,
            "seconds": self.seconds,
            "command": self.command,
            "when": self.when,
            "places": self.places,
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
        }
