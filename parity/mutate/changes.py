"""The mutants of a candidate, by name, and what each of their lines can reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from parity.mutate import worker
from parity.mutate.lines import IMPORT, RUN, Reached, Statements
from parity.mutate.results import Result
from parity.mutate.sites import Mutant, mutants
from parity.mutate.subject import File


@dataclass
class Usual:
    """The candidate as it is, in a pair or in a random case: what is seen, its seconds, and the lines that it runs.

    `failing` are the verdicts on a device that fail as it is: what none of its mutants can show.
    """

    digest: str
    seconds: float
    reached: Reached
    worst: float = 0.0
    failing: list[list[str]] | None = None


class Changes:
    """The mutants of some files of a candidate; those lines of a file apart that `of_others` gives.

    `choices` are functions that choose between two ways to the same (`parity.mutate.argued`).
    """

    def __init__(self, files: list[File], of_others: Callable[[File], Set[int]], choices: frozenset[str] = frozenset()):
        self.files = files
        self.mutants: dict[str, tuple[File, Mutant]] = {}
        for file in files:
            apart = of_others(file)
            found = (mutant for mutant in mutants(file.source, file.module, choices) if mutant.line not in apart)
            self.mutants |= {mutant.id: (file, mutant) for mutant in found}
        self.statements = {file.module: Statements(file.source) for file in files}

    def lines(self, name: str) -> range:
        """The lines of the statement that a mutant changes."""
        file, mutant = self.mutants[name]
        return self.statements[file.module].of(mutant.line)

    def places(self, name: str, usual: Mapping[Any, Usual]) -> list[Any]:
        """What a mutant's line can reach, cheapest first.

        What runs at an import can reach every segment: those that run another line of the file come first.
        """
        file, lines = self.mutants[name][0], set(self.lines(name))

        def running(when: str, wanted: set[int] | None) -> list[Any]:
            found = (place for place, one in usual.items() if _any(one.reached.get(file.module, {}), when, wanted))
            return sorted(found, key=lambda place: usual[place].seconds)

        order = running(RUN, lines)
        if importing := running(IMPORT, lines):
            order += [*running(RUN, None), *importing]
        return list(dict.fromkeys(order))

    def trial(self, name: str, places: Iterable[Any], usual: Mapping[Any, Usual]) -> worker.Trial:
        """What a process is given that tries a mutant."""
        file, mutant = self.mutants[name]
        return worker.Trial(file.module, mutant.source, tuple((place, usual[place].seconds) for place in places))

    def result(self, name: str, outcome: str, **more: Any) -> Result:
        file, mutant = self.mutants[name]
        where = {key: getattr(mutant, key) for key in ("line", "column", "function", "operator", "before", "after")}
        return Result(name, file.shown, **where, outcome=outcome, **more)


def _any(reached: Mapping[str, list[int]], when: str, wanted: set[int] | None) -> bool:
    lines = reached.get(when, [])
    return bool(lines) if wanted is None else not wanted.isdisjoint(lines)
