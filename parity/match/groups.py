"""Departures that are one thing: a wrong line that runs at many places, in every layer or at every step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from parity.match.departures import Departure
from parity.match.explanation import Explanation

_PATH = re.compile(r"\b[A-Za-z_]\w*(?:\.\w+)*\.(\w+)")
"""The path of a weight: `layers.0.norm.weight`, of which every layer has its own."""

_STEP = re.compile(r"\bindex=\d+")
"""A place along an axis, of which every step of a loop has its own."""


@dataclass(frozen=True)
class Group:
    """Departures of one source line and, on both sides, one formula. The `first` is said in full.

    `others` are the places of the rest among the departures, `names` the parts of the reference that they are in.
    """

    first: int
    others: tuple[int, ...]
    names: tuple[str, ...]

    def __str__(self) -> str:
        """What is said of the others; empty where there are none."""
        if not self.others:
            return ""
        counts = Counter(name or "outside of any module" for name in self.names)
        names = ", ".join(name if count == 1 else f"{name} ({count} times)" for name, count in counts.items())
        return f"the same at {len(self.others)} further place{'s' if len(self.others) > 1 else ''}: {names}"


def grouped(departures: Sequence[Departure], explanations: Sequence[Explanation]) -> list[Group]:
    """Groups in the order of their first departures."""
    rows: dict[tuple[object, ...], list[int]] = {}
    for place, (departure, explanation) in enumerate(zip(departures, explanations, strict=True)):
        sides = (explanation.reference, explanation.candidate)
        mark = (departure.kind, *((side.places[:1], _STEP.sub("", _PATH.sub(r"\1", side.formula))) for side in sides))
        rows.setdefault(mark, []).append(place)
    return [
        Group(first, tuple(others), tuple(departures[place].module for place in others))
        for first, *others in rows.values()
    ]


def summary(groups: Sequence[Group]) -> str:
    """How many departures there are and how many of them are other ones; empty where none is like another."""
    total = sum(1 + len(group.others) for group in groups)
    if total == len(groups):
        return ""
    return f"{total} departures, {len(groups)} different one{'s' if len(groups) > 1 else ''}"
