"""Mutants tried by one of the two verdicts, in processes: the candidate as it is first, then each mutant."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from parity.base.errors import InputError
from parity.base.files import replacing
from parity.mutate import worker
from parity.mutate.changes import Changes, Usual
from parity.mutate.forked import MEMORY, TIME
from parity.mutate.pool import Pool
from parity.mutate.results import CRASH, LIMIT, WRONG, Result, Results, Score
from parity.mutate.subject import File, Pair, Subject
from parity.mutate.trial import Seen

Progress = Callable[[str], None]
Begin = Callable[..., object]


class Trying:
    """Tries mutants in the `pairs` of a subject. Processes begin with `begin(subject, *args)`.

    `survived` gives the outcome of a mutant that nothing notices, by what was seen in its places and is usual there.
    `told` says which verdict it is. `spent` says that no further mutant is begun.
    """

    def __init__(
        self,
        subject: Subject,
        changes: Changes,
        pairs: list[Pair],
        begin: Begin,
        survived: Callable[[list[Seen], list[Usual]], str],
        jobs: int,
        told: Progress,
        spent: Callable[[], bool],
    ):
        self.subject, self.changes, self.pairs = subject, changes, pairs
        self.begin, self.survived, self.jobs = begin, survived, jobs
        self.told, self.spent = told, spent

    def usual(self, files: list[File], stored: Path, *args: Any, refused: bool) -> dict[Pair, Usual]:
        """The candidate as it is, in every pair. Where it is wrong by itself raises `InputError` if that is `refused`.

        What is found is kept in the file `stored`.
        """
        found: dict[Pair, Usual] = {}
        if stored.is_file():
            for case, number, device, *rest in json.loads(stored.read_text()):
                found[Pair(case, number, device)] = Usual(*rest)
        missing = [pair for pair in self.pairs if pair not in found]
        if not missing:
            return {pair: found[pair] for pair in self.pairs}
        with Pool(min(self.jobs, len(missing)), self.begin, self.subject, *args) as pool:
            runs = pool.map(worker.usual, {pair: (pair, files) for pair in missing})
            for number, (pair, (seen, seconds, reached)) in enumerate(runs, 1):
                if seen.crash or (seen.noticed and refused):
                    raise InputError(
                        f"the candidate itself is not equal in {self.subject.label(pair)}: {seen.tap} "
                        f"{seen.reason or seen.crash}; correct it first, or leave the case out by --cases"
                    )
                found[pair] = Usual(seen.digest, seconds, reached, seen.worst, seen.failing)
                self.told(f"the candidate as it is: {number} of {len(missing)} segments")
        with replacing(stored) as partial:
            partial.write_text(json.dumps([[*pair, *astuple(one)] for pair, one in found.items()]))
        return {pair: found[pair] for pair in self.pairs}

    def all(
        self,
        places: Mapping[str, list[Pair]],
        usual: Mapping[Pair, Usual],
        idle: Callable[[str], str],
        results: Results,
        *args: Any,
    ) -> None:
        """Try the mutants that have no result, each in its places; `idle` is the outcome of one that has none."""
        waiting = {name: number for number, name in enumerate(places) if name not in results}
        without = [name for name in waiting if not places[name]]

        def skip(number: int) -> None:
            """Record what has no place up to there: it takes its turn, so that a part of all is a sample."""
            while without and waiting[without[0]] < number:
                name = without.pop(0)
                results.add(self.changes.result(name, idle(name)))

        tasks = {name: (self.changes.trial(name, places[name], usual),) for name in waiting if places[name]}
        if tasks:
            with Pool(min(self.jobs, len(tasks)), self.begin, self.subject, *args) as pool:
                for name, (seen, ended) in pool.map(worker.tried, tasks, self.spent):
                    results.add(self._judged(name, places[name], seen, ended, usual))
                    skip(waiting[name])
                    tried = [results[name] for name in places if name in results]
                    self.told(f"{len(tried)} of {len(places)} mutants, {Score.of(tried).percent} killed")
        if not self.spent():
            skip(len(places))

    def _judged(
        self, name: str, places: list[Pair], seen: list[Seen], ended: str, usual: Mapping[Pair, Usual]
    ) -> Result:
        """The result of a mutant, by what was seen in each of its places and how its process ended."""
        last = seen[-1] if seen and not ended else Seen(crash=ended)
        number = len(seen) - (not ended)
        more: dict[str, Any] = {"tried": number + 1, "reaching": len(places)}
        if last.noticed:
            more |= self._where(places[number])
            if last.crash:
                outcome = LIMIT if last.crash in (TIME, MEMORY) else CRASH
                return self.changes.result(name, outcome, reason=last.crash, **more)
            return self.changes.result(name, WRONG, reason=last.reason, tap=last.tap, error=last.error, **more)
        worst = max(range(len(seen)), key=lambda place: seen[place].worst)
        more |= self._where(places[worst]) | {"worst": seen[worst].worst}
        return self.changes.result(name, self.survived(seen, [usual[place] for place in places]), **more)

    def _where(self, pair: Pair) -> dict[str, Any]:
        return {"case": pair.case, "segment": self.subject.segment(pair).label, "device": pair.device}


def same_bits(seen: list[Seen], usual: list[Usual]) -> bool:
    """Whether every bit of each place is as usual."""
    return all(one.digest == other.digest for one, other in zip(seen, usual, strict=True))
