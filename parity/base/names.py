"""What a name that is not known may have been meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

SHOWN = 12  # names that are listed where none is near


def meant(name: str, names: Iterable[str]) -> str:
    """The advice of an error: the names nearest to one that is not known, else those that there are.

    >>> from parity.base.names import meant
    >>> meant("tiny-vocorder", ["tiny", "tiny-flow", "tiny-vocoder"])
    'is tiny-vocoder meant?'
    >>> meant("none", ["tiny", "full"])
    'expected one of tiny, full'
    """
    known = list(dict.fromkeys(names))
    lower = {other.lower(): other for other in known}
    if near := get_close_matches(name.lower(), lower, 3, cutoff=0.7):
        *others, last = (lower[other] for other in near)
        return f"is {', '.join(others)} or {last} meant?" if others else f"is {last} meant?"
    return f"expected one of {listed(known)}" if known else "there are none"


def listed(names: list[str]) -> str:
    """Some names in one sentence: the first, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def meant_path(path: Path) -> str:
    """`; is FILE meant?` for a file that is not there where one beside it has nearly its name, else nothing."""
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    advice = meant(path.name, beside)
    return f"; {advice}" if advice.endswith("?") else ""


def printable(text: str) -> str:
    """A text without the control characters, which XML has not, fonts have no glyphs for, and terminals obey."""
    return "".join(char if char.isprintable() else " " for char in text)
