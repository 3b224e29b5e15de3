"""A port's own names of its values, and the taps that they are: a file of patterns."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from parity.base.errors import InputError


class Names:
    """Translates names by a TOML or JSON file: `"layers.*.out" = "encoder.layers.*"`.

    Each `*` of a name stands for anything, and for the same at its place in the tap. The first line that fits decides;
    a name that no line fits is kept. An empty tap leaves the value out.
    Raises `InputError` for a file that cannot be read, and for a line whose two sides have not as many `*`.
    """

    def __init__(self, file: Path):
        try:
            text = file.read_text(encoding="utf-8")
            table = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror}); expected a map of names") from error
        except ValueError as error:
            kind = "JSON" if file.suffix == ".json" else "TOML"
            raise InputError(f"{file}: not valid {kind}: {error}") from error
        self.lines: list[tuple[re.Pattern[str], str]] = []
        for own, tap in table.items() if isinstance(table, dict) else [("", table)]:
            if not isinstance(tap, str) or (tap and tap.count("*") != own.count("*")):
                raise InputError(f'{file}: {own!r} = {tap!r}; expected a line like "layers.*.out" = "encoder.layers.*"')
            self.lines.append((re.compile("(.*?)".join(map(re.escape, own.split("*")))), tap))

    def tap(self, own: str) -> str:
        """The tap that a port's name stands for, empty where it is to be left out."""
        for pattern, tap in self.lines:
            if match := pattern.fullmatch(own):
                before, *after = tap.split("*")
                return before + "".join(star + text for star, text in zip(match.groups(), after, strict=False))
        return own
