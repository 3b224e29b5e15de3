"""What an audit found: a row for each value, how it came to the other side, and what that says of the port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.match.audit.tensor import Tensor

SAME, PERMUTED, FLIPPED, FOLDED, FUSED, SPLIT, STACKED, CAST, QUANTISED, TIED, UNUSED, DIFFERS, UNFILLED, ALONE = (
    "as it is", "permuted", "flipped", "folded", "fused", "split", "stacked", "cast", "quantised", "tied", "unused",
    "differs", "never loaded", "alone",
)  # fmt: skip
UNSEEN, UNDONE = "unseen", "undone"
"""Other numbers beside equal outputs: no input shows them, or what the port computes makes up for them."""

ORDER = SAME, PERMUTED, FLIPPED, FOLDED, FUSED, SPLIT, STACKED, CAST, QUANTISED
"""Ways in which a tensor is found by its values."""

_SHARE = 0.1
"""Tensors found by value of those with the same shapes, up to which a checkpoint is another."""

TABLE = "a table"
"""What is said of a tensor that a module computes, and no checkpoint has."""

_NAMED = 3
"""Tensors without a counterpart that are named, at most."""

_FEWEST = 4
"""Tensors with the same shapes that say so much, at least."""

EXPLAINED = "proven: with these weights in the reference both give the same outputs"

SHOWN = 6
"""Sentences that a terminal shows of an audit, at most."""


@dataclass(frozen=True)
class Row:
    """One value. `reference` and `candidate` are the names of the tensors that it is on either side.

    `how` has words of this file, `evidence` says more. Where the port computes with other numbers than the reference,
    `as_reference` has each such tensor of the reference, and a function that gives the port's numbers in its layout.
    `shaped` are the port's weights in it that have a counterpart of their shape. `places` say where both take it.
    `crossing` has the same of two tensors that hold each other's values, which may be meant.
    `apart` is how far all numbers of one that differs are from the reference's, in units of its RMS, where it is near.
    """

    reference: tuple[str, ...]
    candidate: tuple[str, ...]
    how: tuple[str, ...]
    evidence: str = ""
    as_reference: tuple[tuple[Tensor, Callable[[], np.ndarray]], ...] = field(default=(), repr=False, compare=False)
    shaped: int = field(default=0, repr=False, compare=False)
    places: tuple[str, ...] = ()
    crossing: tuple[tuple[Tensor, Callable[[], np.ndarray]], ...] = field(default=(), repr=False, compare=False)
    apart: float | None = field(default=None, compare=False)

    @property
    def found(self) -> bool:
        """By all of its values, and not by its name or shape."""
        return DIFFERS not in self.how and any(way in ORDER for way in self.how)

    @property
    def others(self) -> bool:
        """The numbers are others, not the same ones with fewer digits, and outputs are made of them."""
        return not {UNUSED, UNDONE}.intersection(self.how) and bool({DIFFERS, UNFILLED}.intersection(self.how))

    @property
    def unlike(self) -> bool:
        """What the port computes with is not the reference's."""
        return self.others or bool(self.as_reference)

    @property
    def lost(self) -> str:
        """Of a tensor of which the port has fewer digits: in which way."""
        return self.evidence.rpartition("; ")[2]

    def __str__(self) -> str:
        sides = [", ".join(names) for names in (self.candidate, self.reference)]
        what = f"{sides[0]} of the port is {sides[1]} of the reference" if all(sides) else ""
        what = what or (f"{sides[0]} of the port" if sides[0] else f"{sides[1]} of the reference")
        how = [word for word in self.how if word not in (SAME, DIFFERS, UNUSED, UNSEEN, UNDONE)]
        if DIFFERS in self.how:
            return f"{what} {self.evidence}"
        return ", ".join(filter(None, (what, *how, self.evidence)))

    def as_dict(self) -> dict[str, Any]:
        return {
            "reference": list(self.reference),
            "candidate": list(self.candidate),
            "how": list(self.how),
            "evidence": self.evidence,
            "places": list(self.places),
        }


@dataclass(frozen=True)
class Audit:
    """What every tensor of either side is on the other.

    `explains`: with the port's weights in the reference both programs give the same outputs. `exchanged`: they do with
    those exchanged that hold each other's values.
    """

    rows: list[Row]
    explains: bool = False
    exchanged: bool = False

    @property
    def passed(self) -> bool:
        """No tensor of the port has other numbers than the reference's."""
        return not self.exchanged and not any(row.unlike for row in self.rows)

    @property
    def unseen(self) -> list[str]:
        """Tensors with other numbers beside equal outputs, as departures."""
        return ["\n  ".join([str(row), *row.places]) for row in self.rows if UNSEEN in row.how]

    @property
    def matched(self) -> tuple[int, int]:
        """Tensors of the port that are found by value or nearly, of those with a counterpart of their shape."""
        both = [row for row in self.rows if row.reference and row.candidate]
        found = [row for row in both if not row.others or row.apart is not None]
        return sum(row.shaped for row in found), sum(row.shaped for row in both)

    @property
    def another(self) -> bool:
        """The weights are those of another checkpoint: nearly none is found by value."""
        found, shaped = self.matched
        return shaped >= _FEWEST and found <= _SHARE * shaped

    @property
    def sentences(self) -> list[str]:
        """What the rows come to: what decides comes first."""
        return [*self._decided(), *self._unlike(), *self.facts]

    @property
    def facts(self) -> list[str]:
        """Sentences of what may well be right: tensors without a counterpart, and how the others are found."""
        return [*self._alone(), *self._idle(), *self._summed()]

    @property
    def departures(self) -> list[str]:
        """What is wrong with the weights, as departures of the port, with the places that take them first."""
        if self.another:
            said = list(self._decided())
        else:
            said = ["\n  ".join([text, *row.places]) for text, row in self._wrong()]
        if said and self.explains:
            said[-1] += f"\n  {EXPLAINED}"
        return said

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "passed": self.passed,
            "another": self.another,
            "explains": self.explains,
            "sentences": self.sentences,
            "rows": [row.as_dict() for row in self.rows],
        }

    def _decided(self) -> Iterator[str]:
        if not self.another:
            return
        found, shaped = self.matched
        never = sum(row.shaped for row in self.rows if UNFILLED in row.how)
        what = "weights that were never loaded" if never > shaped / 2 else "another checkpoint's weights"
        yield f"{what}: {found} of {shaped} tensors found by value, of {shaped} with the same shapes"

    def _unlike(self) -> Iterator[str]:
        if not self.another:
            yield from (text for text, _ in self._wrong())

    def _wrong(self) -> Iterator[tuple[str, Row]]:
        """A sentence for each tensor of other numbers, and one for all that lost digits alike, with the first row."""
        digits = [row for row in self.rows if row.others and row.apart is not None]
        digits = digits if len(digits) > 1 else []
        yield from ((str(row), row) for row in self.rows if row.others and row not in digits)
        yield from ((str(row), row) for row in self.rows if row.crossing and self.exchanged)
        if digits:
            apart = [row.apart or 0.0 for row in digits]
            names = [", ".join(row.candidate) for row in digits]
            least, most = f"{min(apart):.1e}", f"{max(apart):.1e}"
            yield (
                f"{_listed(names)} of the port: other digits, apart from the reference's by {least}"
                + (f" to {most}" if most != least else "")
                + " of their RMS",
                digits[0],
            )
        alike: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.unlike and not row.others:
                alike.setdefault(row.lost, []).append(row)
        for lost, found in alike.items():
            names = [", ".join(row.reference) for row in found]
            yield f"{_listed(names)}: {lost}", found[0]

    def _alone(self) -> Iterator[str]:
        for side, whose in (("reference", "the reference"), ("candidate", "the port")):
            alone = [
                row
                for row in self.rows
                if ALONE in row.how and UNUSED not in row.how and not row.evidence.startswith(TABLE)
            ]
            names = [
                name + (f" ({row.evidence})" if row.evidence else "")
                for row in alone
                if not row.evidence.startswith(TABLE)
                for name in getattr(row, side)
            ]
            if names:
                yield f"of {whose} alone: {_listed(names)}"

    def _idle(self) -> Iterator[str]:
        """Weights that one side alone computes with, those that the port makes up for, and those that are crossed."""
        for row in self.rows:
            if row.crossing and not self.exchanged:
                yield str(row)
            if UNDONE in row.how or (UNUSED in row.how and row.reference and row.candidate):
                yield str(row)

    def _summed(self) -> Iterator[str]:
        ours = [row for row in self.rows if row.reference and not row.evidence.startswith(TABLE)]
        found = [row for row in ours if row.found]
        if not ours or self.another:
            return
        ways = {name: CAST if CAST in row.how else row.how[0] for row in reversed(found) for name in row.reference}
        all_of_them = len({name for row in ours for name in row.reference})
        unused = sum(len(row.reference) for row in ours if row.how == (ALONE, UNUSED))
        counts = Counter(ways.values())
        said = ", ".join(f"{counts[way]} {'as they are' if way == SAME else way}" for way in ORDER if counts[way])
        rest = f"; {unused} more reach no output" if unused else ""
        said = f": {said}" if said else ""
        known = f"{len(ways)} of {all_of_them - unused} tensors of the reference"
        yield f"{known} are found in the port by value{said}{rest}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
