"""A name with numbers in it, written once and used both ways: filled with its numbers, and read back from a name.

`blocks.{i}.layers.{j}` holds two numbers. Where two namings count differently, one of them says how: `{i+1}` counts
from one, `{2i}` every second, and `{3i+j}` numbers the `j` of all `i` in one row, three to each.
"""

from __future__ import annotations

import re
from functools import cached_property

VARIABLES = "ijk"
NUMBER = re.compile(r"\{(\d*)([ijk])(?:\+([ijk]))?(?:\+(\d+))?\}")
ANY_NUMBER = re.compile(r"\d+")


class Template:
    """A name of which some numbers are open. `fill` and `read` are each other's inverse."""

    def __init__(self, text: str):
        self.text = text
        self.numbers = [
            (int(match[1] or 1), VARIABLES.index(match[2]), match[3] and VARIABLES.index(match[3]), int(match[4] or 0))
            for match in NUMBER.finditer(text)
        ]
        literals = NUMBER.split(text)[:: NUMBER.groups + 1]
        self.shape = shape_of("0".join(literals))
        self.literals = literals

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Of names: compiled when a name is first read, since most of the namings are not used in a run."""
        return re.compile("(0|[1-9][0-9]*)".join(map(re.escape, self.literals)))

    def fill(self, numbers: tuple[int, ...]) -> str:
        """The name with these values of `i`, `j`, `k`."""
        found = [self.literals[0]]
        for (factor, main, rest, offset), literal in zip(self.numbers, self.literals[1:], strict=True):
            number = factor * numbers[main] + offset + (0 if rest is None else numbers[rest])
            found += [str(number), literal]
        return "".join(found)

    def read(self, name: str) -> tuple[int, ...] | None:
        """The values of `i`, `j`, `k` (0 where it has none) in a name, or None if it is no name of this template."""
        match = self.pattern.fullmatch(name)
        if match is None:
            return None
        values: dict[int, int] = {}
        for (factor, main, rest, offset), text in zip(self.numbers, match.groups(), strict=True):
            number, remainder = divmod(int(text) - offset, factor)
            if number < 0 or (rest is None and remainder):
                return None
            for variable, value in ((main, number), *(() if rest is None else ((rest, remainder),))):
                if values.setdefault(variable, value) != value:
                    return None
        return tuple(values.get(variable, 0) for variable in range(len(VARIABLES)))

    def limits(self) -> dict[int, int]:
        """The variables that this template bounds: in `{3i+j}`, `j` stays below 3."""
        return {rest: factor for factor, _, rest, _ in self.numbers if rest is not None}


def shape_of(name: str) -> str:
    """A name with every number in it replaced by the same one: what names of one template share."""
    return ANY_NUMBER.sub("0", name)
