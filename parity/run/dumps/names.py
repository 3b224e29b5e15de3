"""A port's own names of its values, and the taps that they are: a file of patterns."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from parity.base import bounded
from parity.base.errors import InputError
from parity.base.names import listed


class Names:
    """Translates names by a TOML or JSON file: `"layers.*.out" = "encoder.layers.*"`.

    Each `*` of a name stands for anything, and for the same at its place in the tap. The first line that fits decides;
    a name that no line fits is kept. An empty tap leaves the value out.
    Raises `InputError` for a file that cannot be read, and for a line whose two sides have not as many `*`.
    """

    def __init__(self, file: Path):
        try:
            table = bounded.read_json(file, _once) if file.suffix == ".json" else bounded.read_toml(file)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror}); expected a map of names") from error
        except ValueError as error:
            kind = "JSON" if file.suffix == ".json" else "TOML"
            raise InputError(f"{file}: not valid {kind}: {error}") from error
        self.lines: list[tuple[re.Pattern[str], str]] = []
        for own, tap in table.items() if isinstance(table, dict) else [("", table)]:
            expected = 'expected a line like "layers.*.out" = "encoder.layers.*"'
            if not isinstance(tap, str):
                raise InputError(f"{file}: {own!r} = {tap!r}; {expected}")
            if tap and tap.count("*") != own.count("*"):
                counts = f"{own.count('*')} * on the left and {tap.count('*')} on the right"
                raise InputError(f"{file}: {own!r} = {tap!r} has {counts}; {expected}")
            self.lines.append((re.compile("(.*?)".join(map(re.escape, own.split("*")))), tap))
        self.used: Counter[int] = Counter()
        self.own = [*table] if isinstance(table, dict) else []

    def tap(self, own: str) -> str:
        """The tap that a port's name stands for, empty where it is to be left out."""
        for number, (pattern, tap) in enumerate(self.lines):
            if match := pattern.fullmatch(own):
                self.used[number] += 1
                before, *after = tap.split("*")
                return before + "".join(star + text for star, text in zip(match.groups(), after, strict=False))
        return own

    @property
    def left_out(self) -> int:
        """How many of the names that were translated it leaves out."""
        return sum(count for number, count in self.used.items() if not self.lines[number][1])

    def said(self) -> list[str]:
        """What it left out, and its lines that did nothing."""
        found = [f"{self.left_out} dumps are left out by the map"] if self.left_out else []
        idle = [repr(own) for number, own in enumerate(self.own) if number not in self.used]
        return found + ([f"{len(idle)} lines of the map fit no dump: {listed(idle)}"] if idle else [])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table of JSON, in which a key that stands twice is refused: the last one would win without a word."""
    table = dict(pairs)
    if twice := sorted(key for key, count in Counter(key for key, _ in pairs).items() if count > 1):
        raise ValueError(f"{', '.join(map(repr, twice))} stands there twice")
    return table
