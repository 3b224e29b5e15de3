"""What a run exercises of a source: each place that may go one way or another, and which ways it went."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

CONDITION, CHOICE, LOWER, UPPER, EXTREME, MATCH = (
    "condition",
    "choice",
    "lower limit",
    "upper limit",
    "extreme",
    "match",
)
SLICE, LOOP, DIVISION, AXIS = "slice", "loop", "division", "axis"
FUNCTION = "function"
GROUPS = {
    "limits and conditions": (CONDITION, CHOICE, LOWER, UPPER, EXTREME, MATCH),
    "lengths": (SLICE, LOOP, DIVISION, AXIS),
    "functions": (FUNCTION,),
}
"""The kinds of sites, as they are counted."""

WANTED = {
    CONDITION: ("true", "false"),
    CHOICE: ("true", "false"),
    LOWER: ("bound", "free"),
    UPPER: ("bound", "free"),
    MATCH: ("taken",),
    SLICE: ("cut",),
    LOOP: ("more than once",),
    DIVISION: ("rest",),
    AXIS: ("longer than 1",),
    FUNCTION: ("called",),
}
"""The ways that the cases should make a site go. Of an extreme they are its arguments: each is the chosen one once."""

LENGTHS = ("shape", "len(", ".size")
"""What the source of a length has."""

NEVER = {FUNCTION: "never called", MATCH: "never taken", AXIS: "always of length 1"}
"""What is said of kinds that have one way."""


@dataclass
class Site:
    """One place: `text` is its source, `ways` those that it went, and `wanted` those that a case should make it go.

    `ways` has others too, such as `whole` of a slice. `nearest` is the value that came nearest to a limit, and `limit`
    that limit; of a length `nearest` is the longest.
    """

    file: str
    line: int
    column: int
    function: str
    kind: str
    text: str
    wanted: tuple[str, ...]
    ways: set[str] = field(default_factory=set)
    nearest: float | None = None
    limit: float | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same place in another run."""
        return self.file, self.line, self.column, self.function, self.kind, self.text

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def missing(self) -> list[str]:
        """The wanted ways that it never went. What is divided is a length if its source says so, or if it varies."""
        if self.kind == DIVISION and "several" not in self.ways and not any(word in self.text for word in LENGTHS):
            return []
        return [way for way in self.wanted if way not in self.ways]

    def approached(self, nearest: float, limit: float | None = None) -> None:
        """Keep the value that came nearest to its limit; the largest where there is none."""
        if self.nearest not in (None, nearest) and self.kind == DIVISION:
            self.ways.add("several")
        if self.nearest is None or self._distance(nearest, limit) < self._distance(self.nearest, self.limit):
            self.nearest, self.limit = nearest, limit

    def _distance(self, value: float, limit: float | None) -> float:
        if limit is None:
            return -value
        return value - limit if self.kind == LOWER else limit - value

    def add(self, other: Site) -> None:
        """Take in what the same place did in another run."""
        self.ways |= other.ways
        if other.nearest is not None:
            self.approached(other.nearest, other.limit)

    def sentence(self) -> str:
        """What was not exercised, in words: `upper limit 100 never bound (largest 4.9)`; empty where all was."""
        missing = self.missing
        if not missing:
            return ""
        if self.kind in NEVER:
            return NEVER[self.kind]
        if self.kind in (CONDITION, CHOICE):
            return f"always {'false' if missing == ['true'] else 'true'}"
        if self.kind in (LOWER, UPPER):
            return self._of_limit(missing)
        if self.kind == SLICE:
            return f"cuts nothing off (longest {figure(self.nearest)})"
        if self.kind == LOOP:
            return "runs once at most" if "once" in self.ways else "never runs"
        if self.kind == DIVISION:
            return f"never leaves a rest (largest {figure(self.nearest)})"
        return "always equal" if len(missing) == len(self.wanted) else f"never {' or '.join(missing)}"

    def _of_limit(self, missing: list[str]) -> str:
        limit = self.kind if self.limit is None else f"{self.kind} {figure(self.limit)}"
        if missing != ["bound"]:
            return f"{limit} always bound"
        nearest = "smallest" if self.kind == LOWER else "largest"
        return f"{limit} never bound" + ("" if self.nearest is None else f" ({nearest} {figure(self.nearest)})")

    def as_dict(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)} | {
            "wanted": list(self.wanted),
            "ways": sorted(self.ways),
        }

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Site:
        """What `as_dict` gave."""
        return cls(**entry | {"wanted": tuple(entry["wanted"]), "ways": set(entry["ways"])})


def figure(value: float | None) -> str:
    """A value in three digits, a length in all of them."""
    return "unknown" if value is None else str(int(value)) if value % 1 == 0 else f"{value:.3g}"


@dataclass
class Exercise:
    """The sites of a candidate, of one run or of several. `cases` are those that it is of.

    What was not reached is not counted: the condition before it, or the function around it, says why.
    """

    sites: list[Site] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.sites)

    @classmethod
    def together(cls, parts: Iterable[Exercise]) -> Exercise:
        """What several runs exercised between them."""
        found: dict[tuple[Any, ...], Site] = {}
        cases: dict[str, None] = {}
        for part in parts:
            cases |= dict.fromkeys(part.cases)
            for site in part.sites:
                if site.key in found:
                    found[site.key].add(site)
                else:
                    found[site.key] = replace(site, ways=set(site.ways))
        return cls(list(found.values()), list(cases))

    @property
    def counted(self) -> list[Site]:
        """What was reached, in the order of the source; and functions, of those within one another the outermost."""
        idle = {(site.file, site.function) for site in self.sites if site.kind == FUNCTION and not site.ways}
        found = (site for site in self.sites if site.ways or (site.kind in NEVER and not _within(site, idle)))
        return sorted(found, key=lambda site: site.key)

    @property
    def missing(self) -> list[Site]:
        """What did not go each way that it should."""
        return [site for site in self.counted if site.missing]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Of each group, how many were not exercised, and how many there are."""
        counted, missing = self.counted, self.missing
        return {
            group: (sum(site.kind in kinds for site in missing), sum(site.kind in kinds for site in counted))
            for group, kinds in GROUPS.items()
        }

    def summary(self) -> str:
        """`14 of 61 limits and conditions, 3 of 40 lengths, 12 of 310 functions`."""
        return ", ".join(f"{missing} of {total} {group}" for group, (missing, total) in self.counts().items() if total)

    def as_dict(self) -> dict[str, Any]:
        return {
            "cases": self.cases,
            "missing": [
                {"place": site.place, "kind": site.kind, "text": site.text, "sentence": site.sentence()}
                for site in self.missing
            ],
            "sites": [site.as_dict() for site in self.sites if site.ways or site.kind in NEVER],
        }

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Exercise:
        """What `as_dict` gave."""
        return cls([Site.of(site) for site in entry.get("sites", [])], list(entry.get("cases", [])))


def _within(site: Site, functions: set[tuple[str, str]]) -> bool:
    """The site is in one of the functions, or is a function that is within one."""
    parts = site.function.split(".")
    return any((site.file, ".".join(parts[:length])) in functions for length in range(1, len(parts)))
