"""How the error grows from the first bad tap on: part by part, segment by segment, branch by branch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from parity.contract import ACCUMULATED
from parity.contract.parts import part
from parity.judge.verdict import Verdict

SHOWN = 8
"""Parts at either end of an error's way."""


@dataclass(frozen=True)
class Growth:
    """The accumulated error at the end of one part of the model, and its `factor` to the same branch's error before it.

    `bound` is that of `ratio32`.
    """

    tap: str
    relative: float
    ratio32: float
    factor: float
    bound: float = float("nan")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def growth(verdicts: list[Verdict], first: str) -> list[Growth]:
    """The accumulated error from the tap `first` on: of each part in each segment its last tap, in execution order."""
    names = list(dict.fromkeys(verdict.tap for verdict in verdicts))
    start = names.index(first) if first in names else 0
    later = {name: place for place, name in enumerate(names) if place >= start}
    kept: dict[tuple[str, str, str], Verdict] = {}
    for verdict in verdicts:
        wrong = not verdict.passed and verdict.ratio32 == verdict.ratio32  # what is right is not on the error's way
        if wrong and verdict.mode == ACCUMULATED and verdict.tap in later:
            kept[part(verdict.tap), verdict.tap.partition("[")[2], verdict.branch] = verdict
    before: dict[str, float] = {}
    rows = []
    for verdict in sorted(kept.values(), key=lambda v: (later[v.tap], v.branch)):
        known = before.get(verdict.branch, before.get("", float("nan")))
        factor = verdict.relative / known if known > 0 else float("nan")
        rows.append(Growth(verdict.label, verdict.relative, verdict.ratio32, factor, verdict.bound_ratio32))
        before[verdict.branch] = verdict.relative
        if not verdict.branch:
            before = {"": verdict.relative}
    return rows


def ends(rows: list[Growth]) -> tuple[list[Growth], int, list[Growth]]:
    """The first and the last parts on an error's way, and how many between them are left out."""
    first, last = rows[:SHOWN], rows[max(SHOWN, len(rows) - SHOWN) :]
    return first, len(rows) - len(first) - len(last), last
