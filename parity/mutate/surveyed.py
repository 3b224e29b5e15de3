"""What a survey found: results by one verdict or by both, and their scores."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from parity.mutate.results import APART, KILLED, SURVIVED, Result, Score


@dataclass
class Judged:
    """Results by one verdict of the mutants that were chosen and tried, and how many were not tried."""

    results: list[Result]
    left: int

    @property
    def score(self) -> Score:
        return Score.of(self.results)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many there are of each outcome, in the order of the documentation."""
        counts = Counter(result.outcome for result in self.results)
        return {name: counts[name] for name in (*KILLED, *SURVIVED, *APART) if counts[name]}

    @property
    def survivors(self) -> list[Result]:
        """What nothing noticed, those that are apart last."""
        found = [result for result in self.results if not result.killed]
        return sorted(found, key=lambda result: result.outcome in APART)

    def by(self, what: str) -> dict[str, Score]:
        """The score of each `file` or `operator`."""
        groups: dict[str, list[Result]] = {}
        for result in self.results:
            groups.setdefault(getattr(result, what), []).append(result)
        return {name: Score.of(found) for name, found in sorted(groups.items())}

    def as_dict(self) -> dict[str, Any]:
        scores = {
            f"{what}s": [{what: name} | score.as_dict() for name, score in self.by(what).items()]
            for what in ("file", "operator")
        }
        mutants = [asdict(result) for result in self.results]
        return {**self.score.as_dict(), "left": self.left, "outcomes": self.outcomes, **scores, "mutants": mutants}


@dataclass
class Measured(Judged):
    """The second score: by the arithmetic verdict alone, on the device that `environment` describes.

    `which` mutants were chosen: `all`, or `survivors` of the mathematics. `failing` counts verdicts that fail of the
    candidate as it is, and that no mutant is judged by.
    """

    which: str
    environment: dict[str, str]
    failing: int

    def as_dict(self) -> dict[str, Any]:
        about = {"which": self.which, "environment": self.environment, "failing": self.failing}
        return about | super().as_dict()


@dataclass
class Surveyed(Judged):
    """The first score: by the mathematics alone. `arithmetic` is the second, where it was asked for."""

    contract: str
    cases: list[str]
    sources: dict[str, str] = field(default_factory=dict)
    """The text of each file, by its path."""
    aside: list[str] = field(default_factory=list)
    """Modules that were not changed since nobody named them (`parity.mutate.subject.aside`)."""
    arithmetic: Measured | None = None

    @property
    def explained(self) -> list[Result]:
        """The mutants of which it is known whether their line is shown."""
        return [result for result in self.results if result.located is not None]

    def as_dict(self) -> dict[str, Any]:
        return {
            "contract": self.contract,
            "cases": self.cases,
            "located": sum(result.located is True for result in self.explained),
            "explained": len(self.explained),
            "arithmetic": None if self.arithmetic is None else self.arithmetic.as_dict(),
            **super().as_dict(),
        }
