"""What differs between two runs of one case: verdicts that turned, and ratios that moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from parity.contract import LOCAL
from parity.run.report import Report

MOVED = 1.05
"""The factor by which a ratio must grow or shrink to be listed."""
MISSING = "missing"


class Seen(NamedTuple):
    """What is kept of a verdict. `word` is empty where it has none; a ratio is NaN where it has none."""

    passed: bool
    ratio32: float
    ratio64: float
    word: str = ""

    def __str__(self) -> str:
        return ("pass" if self.passed else "FAIL") + (f", {self.word}" if self.word else "")


Run = Mapping[tuple[str, str], Seen]
"""The verdicts of a run, by the label of the tap and the mode."""


@dataclass(frozen=True)
class Turned:
    """A verdict that says another thing than before. `worse` where it fails now, or is not there any more."""

    tap: str
    mode: str
    old: str
    new: str
    worse: bool


@dataclass(frozen=True)
class Moved:
    """A ratio that was `old` and is `new`."""

    tap: str
    mode: str
    ratio: str
    old: float
    new: float

    @property
    def factor(self) -> float:
        return self.new / self.old


@dataclass(frozen=True)
class Changes:
    """Of two runs: the verdicts that turned, the worse first, and the ratios of the others that moved.

    The most grown ratio stands first. `verdicts` is how many the new run has.
    """

    verdicts: int
    turned: list[Turned]
    moved: list[Moved]

    @property
    def worse(self) -> int:
        return sum(each.worse for each in self.turned)

    def sentence(self) -> str:
        """The counts in words."""
        gone = sum(each.new == MISSING for each in self.turned)
        lost = f"{gone} of the old are not there any more, " if gone else ""
        return (
            f"{self.worse - gone} of {self.verdicts} verdicts turned to the worse, {lost}"
            f"{len(self.turned) - self.worse} otherwise; {len(self.moved)} ratios moved by more than {MOVED - 1:.0%}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "sentence": self.sentence(),
            "worse": self.worse,
            "turned": [asdict(each) for each in self.turned],
            "moved": [asdict(each) | {"factor": each.factor} for each in self.moved],
        }


def seen(report: Report) -> Run:
    """The verdicts of a report."""
    return {(v.label, v.mode): Seen(v.passed, v.ratio32, v.ratio64, v.word) for v in report.verdicts}


def changes(old: Run, new: Run) -> Changes:
    """What differs in `new`. A word counts only where both runs have one."""
    turned, moved = [], []
    for key in dict.fromkeys([*new, *old]):
        before, now = old.get(key), new.get(key)
        if before is None or now is None:
            turned.append(Turned(*key, str(before or MISSING), str(now or MISSING), now is None or not now.passed))
            continue
        if before.passed != now.passed or (before.word and now.word and before.word != now.word):
            turned.append(Turned(*key, str(before), str(now), before.passed and not now.passed))
            continue
        for name in ("ratio32", "ratio64"):
            ratios = getattr(before, name), getattr(now, name)
            if min(ratios) > 0 and max(ratios) > MOVED * min(ratios) and math.isfinite(max(ratios)):
                moved.append(Moved(*key, name, *ratios))
    turned.sort(key=lambda each: (not each.worse, each.new == MISSING, each.mode != LOCAL))
    return Changes(len(new), turned, sorted(moved, key=lambda each: -each.factor))


def differing(old: Report, new: Report) -> dict[str, tuple[str, str]]:
    """What else the two runs do not have in common, by name: versions, devices, hashes, options."""
    about = [
        {"checkpoint": run.checkpoint, "precision": run.precision, "judged from": run.source}
        | {f"environment: {name}": value for name, value in run.environment.items()}
        | {f"hash of {name}": value for name, value in run.subject.items()}
        for run in (old, new)
    ]
    names = dict.fromkeys([*about[0], *about[1]])
    pairs = {name: (str(about[0].get(name, MISSING)), str(about[1].get(name, MISSING))) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
