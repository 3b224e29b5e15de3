"""A fault or a rewrite of a port of the ten pairs: one line of its source changed, and what has to be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.exact.planted.source import Fault, line_of

PACKAGE = "tests.exact.pairs"


@dataclass(frozen=True)
class Planted(Fault):
    """A fault, whose `case` is its pair.

    `says` are texts that the sentence holds each of, in small letters, alternatives by `|`: with these a reader knows
    what to change. `source` is how the port's program is had. `lacks` is text on the reference's line whose operation
    the fault takes out of the port, or leaves without effect there.
    """

    says: tuple[str, ...] = ()
    source: str = "graph"
    lacks: str = ""

    @property
    def name(self) -> str:
        return f"{self.case}: {self.old.strip()} -> {self.new.strip()}"

    @property
    def lines(self) -> tuple[int, int]:
        """The changed line, and the line of the operation that goes wrong."""
        text = self.file.read_text()
        return line_of(text, self.old), self.line

    @property
    def counterpart(self) -> Path:
        """The reference's file."""
        return self.file.with_name("torch_side.py")

    @property
    def lacking(self) -> int | None:
        """The reference's line that the port lacks."""
        return line_of(self.counterpart.read_text(), self.lacks) if self.lacks else None


def planted_in(pair: str, *changes: tuple[str, ...], lacks: Mapping[str, str] | None = None) -> list[Planted]:
    """Faults of a pair, their ports run by graph and stand-in in turn; each is (`old`, `new`, `at`, *`says`).

    `lacks` has texts of the reference by `new`.
    """
    return [
        Planted(
            f"{PACKAGE}.{pair}.mlx_side",
            old,
            new,
            pair,
            at,
            says=tuple(says),
            source=("graph", "standin")[place % 2],
            lacks=(lacks or {}).get(new, ""),
        )
        for place, (old, new, at, *says) in enumerate(changes)
    ]


def rewritten(pair: str, *changes: tuple[str, str]) -> list[Planted]:
    """Correct rewrites of a pair."""
    return planted_in(pair, *((old, new, "") for old, new in changes))
