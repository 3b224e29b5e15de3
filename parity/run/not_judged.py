"""Taps that a contract leaves out, for the candidate does not have the part yet: said in each report, never wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from parity.contract import Contract


@dataclass(frozen=True)
class Unjudged:
    """Why a tap is not judged, and whether the candidate gives it all the same."""

    why: str
    given: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def note(known: dict[str, Unjudged], contract: Contract, names: Iterable[str], given: Collection[str]) -> None:
    """Add those of a segment's taps that are not judged. `given` are the ones that the candidate gave."""
    for name in (*names, *given):
        if (one := contract.unjudged(name)) is not None:
            known[name] = Unjudged(one.why, name in given or (name in known and known[name].given))


def sentences(known: dict[str, Unjudged]) -> Iterator[str]:
    """How many taps are not judged for each reason; then those of them that the candidate gives."""
    for why, count in Counter(one.why for one in known.values()).items():
        yield f"not judged: {count} tap{'s' * (count != 1)}, {why}"
    if given := [name for name, one in known.items() if one.given]:
        yield (
            f"given although it is not judged: {', '.join(given[:5])}{' ...' * (len(given) > 5)}; take it out of "
            "[[not_judged]] to have it judged"
        )
