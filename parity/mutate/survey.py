"""A survey: every mutant of a candidate is tried in the segments that its line reaches, until one notices it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.contract import Contract
from parity.contract.implementation import resolve
from parity.mutate import arithmetic, located, references, worker
from parity.mutate.argued import arguments, choices, left_out
from parity.mutate.changes import Changes, Usual
from parity.mutate.pool import Pool, environment
from parity.mutate.results import (
    BIT_EQUAL,
    BY_FLOOR,
    CRASH,
    EQUAL,
    EQUIVALENT,
    NEVER_RUN,
    PRECISION,
    WRONG,
    Result,
    Results,
)
from parity.mutate.subject import Pair, Subject, aside, files, fingerprint, of_others, subject
from parity.mutate.surveyed import Measured, Surveyed
from parity.mutate.trial import Seen
from parity.mutate.trying import Trying, same_bits


@dataclass(frozen=True)
class Choice:
    """Which mutants are tried: `sample` of all, then the part `shard` of them, until `budget` seconds have passed.

    Of those that a tap notices, `locate` are explained. `arithmetic` says which are judged on the device, too: `all`,
    or the `survivors` of the run in double.
    """

    stage: str = ""
    files: tuple[str, ...] = ()
    sample: int | None = None
    shard: tuple[int, int] = (1, 1)
    budget: float | None = None
    random: int = 100
    locate: int = 0
    jobs: int = 1
    arithmetic: str = ""


class Survey:
    """Surveys the candidate of a contract by the cases that match patterns; `folder` keeps what is found.

    What else the command writes, `apart`, is no part of a checkpoint in which it lies.
    """

    def __init__(
        self,
        contract: Contract,
        cases: str,
        folder: Path,
        choice: Choice,
        progress: Callable[[str], None] = lambda message: None,
        apart: Collection[Path] = (),
    ):
        self.contract, self.folder, self.choice, self.progress = contract, folder, choice, progress
        self.began = time.monotonic()
        self.all_files = files(contract)
        self.random = resolve(contract.mutate["random"]) if choice.random and "random" in contract.mutate else None
        self.subject = subject(contract, cases, folder / "references", [folder, *apart])
        self.named = fingerprint(self.subject, self.all_files)
        changed = files(contract, choice.files)
        self.changes = Changes(
            changed, lambda file: of_others(contract, file) | left_out(contract, file), choices(contract)
        )
        self.arguments = arguments(contract, self.changes.mutants)
        pairs = self.subject.pairs(choice.stage)
        self.trying = Trying(
            self.subject, self.changes, pairs, worker.begin, _survived, choice.jobs, self.progress, self._spent
        )

    def run(self) -> Surveyed:
        """Try the chosen mutants that have no result yet, and give the results of all that were chosen."""
        with environment():
            self._references()
            results = Results(self.folder / "results", self.named, self._file)
            try:
                stored = self.folder / "usual" / f"{self.named}.json"
                usual = self.trying.usual(self.all_files, stored, refused=True)
                places = self._chosen(usual)
                self.trying.all(places, usual, lambda name: NEVER_RUN, results)
                self._without_precision(places, results)
                self._try_random(places, results)
                self._locate(places, results)
            finally:
                results.close()
            found = {
                name: replace(results[name], argument=self.arguments.get(name, ""))
                for name in places
                if name in results
            }
            measured = self._measured(found) if self.choice.arithmetic else None
        ordered = sorted(found.values(), key=lambda result: (result.file, result.line, result.column))
        return Surveyed(
            ordered,
            len(places) - len(found),
            str(self.contract.path),
            list(self.subject.cases),
            {file.shown: file.source for file in self.changes.files},
            aside(self.contract),
            measured,
        )

    @property
    def _file(self) -> str:
        part, parts = self.choice.shard
        return "mutants.jsonl" if parts == 1 else f"mutants-{part}-of-{parts}.jsonl"

    def _chosen(self, usual: Mapping[Pair, Usual]) -> dict[str, list[Pair]]:
        """Names of mutants, each with its places; of a stage alone those that it reaches.

        Their order has nothing to do with where they lie, so any part of it is a sample.
        """
        found = {name: self.changes.places(name, usual) for name in sorted(self.changes.mutants)}
        names = [name for name, places in found.items() if places or not self.choice.stage]
        part, parts = self.choice.shard
        return {name: found[name] for name in names[: self.choice.sample][part - 1 :: parts]}

    def _measured(self, found: Mapping[str, Result]) -> Measured:
        """The chosen mutants by the arithmetic verdict alone."""
        return arithmetic.measured(
            self.subject,
            self.changes,
            self.all_files,
            self.trying.pairs,
            found,
            self.choice.arithmetic,
            self.folder,
            (self.named, self._file),
            self.choice.jobs,
            self.progress,
            self._spent,
        )

    def _without_precision(self, places: Mapping[str, list[Pair]], results: Results) -> None:
        """Take out of the score what a run in double cannot show: conversions that change no bit of it."""
        for name in places:
            if name in results and (result := results[name]).operator == "dtype" and result.outcome == BIT_EQUAL:
                results.add(replace(result, outcome=PRECISION))

    def _references(self) -> None:
        """Run the reference on the cases whose traces are not there yet."""
        missing = [case for case, folder in self.subject.references.items() if not folder.exists()]
        made = {
            case: (self.contract, self.subject.cases[case], self.subject.checkpoints[case], folder)
            for case, folder in self.subject.references.items()
            if case in missing
        }
        with Pool(min(self.choice.jobs, len(missing) or 1)) as pool:
            for number, _ in enumerate(pool.map(references.store, made), 1):
                self.progress(f"reference in double: {number} of {len(missing)} cases")

    def _try_random(self, places: Mapping[str, list[Pair]], results: Results) -> None:
        """Run what had the same bits everywhere on random cases: only what has them there as well is equivalent."""
        names = [name for name in places if name in results and results[name].outcome == BIT_EQUAL]
        names = [name for name in names if results[name].random < self.choice.random and not results[name].reason]
        if not names or self.random is None or self._spent():
            return
        cases = {case.name: case for case in map(self.random, range(self.choice.random))}
        checkpoints = {name: resolve(self.contract.checkpoints)(case) for name, case in cases.items()}
        random = replace(self.subject, cases=cases, checkpoints=checkpoints, references={})
        usual: dict[tuple[str, int], Usual] = {}
        with Pool(self.choice.jobs, worker.begin, random) as pool:
            runs = pool.map(worker.usual_whole, {name: (name, self.all_files) for name in cases})
            for number, (name, whole) in enumerate(runs, 1):
                usual[name, 0] = Usual(*whole)
                self.progress(f"the candidate as it is: {number} of {len(cases)} random cases")
        digests = {name: one.digest for (name, _), one in usual.items()}
        tasks = {}
        for name in names:
            trial = self.changes.trial(name, self.changes.places(name, usual), usual)
            tasks[name] = trial, digests
        for done, (name, differing) in enumerate(self._submitted(worker.tried_whole, tasks, random), 1):
            self.progress(f"{done} of {len(names)} mutants of the same bits in random cases")
            count = len(tasks[name][0].pairs)
            if differing:
                results.add(replace(results[name], random=len(cases), reason=f"differs in the random case {differing}"))
            else:
                reason = f"the same bits in {count} of {len(cases)} random cases, which run the line"
                results.add(replace(results[name], outcome=EQUIVALENT, random=len(cases), reason=reason))

    def _locate(self, places: Mapping[str, list[Pair]], results: Results) -> None:
        """See of so many of the killed mutants whether their lines are shown, by an exception or by an explanation."""
        killed = [name for name in places if name in results and results[name].outcome in (WRONG, CRASH)]
        tasks = {}
        for name in killed[: self.choice.locate]:
            result = results[name]
            if result.located is None and result.outcome == CRASH and self._names(name, [result.reason]):
                results.add(replace(result, located=True))
            elif result.located is None:
                pair = next(pair for pair in places[name] if self._is_at(pair, result))
                tasks[name] = (replace(self.changes.trial(name, (), {}), pairs=((pair, 0.0),)),)
        for done, (name, texts) in enumerate(self._submitted(located.shown, tasks, begin=located.begin_both), 1):
            results.add(replace(results[name], located=self._names(name, texts)))
            self.progress(f"{done} of {len(tasks)} mutants explained")

    def _names(self, name: str, texts: list[str]) -> bool:
        """Whether a mutant's line is among those of what is said of it."""
        file, _ = self.changes.mutants[name]
        return located.names(texts, Path(file.shown), self.changes.lines(name))

    def _is_at(self, pair: Pair, result: Result) -> bool:
        there = (pair.case, self.subject.segment(pair).label, pair.device)
        return there == (result.case, result.segment, result.device)

    def _submitted(
        self,
        function: Callable[..., Any],
        tasks: Mapping[str, tuple[Any, ...]],
        subject: Subject | None = None,
        begin: Callable[[Subject], None] = worker.begin,
    ) -> Iterator[tuple[str, Any]]:
        """What a function gives for each task, as it is there; no task is begun when the budget is spent."""
        if not tasks:
            return
        with Pool(min(self.choice.jobs, len(tasks)), begin, subject or self.subject) as pool:
            yield from pool.map(function, tasks, self._spent)

    def _spent(self) -> bool:
        return self.choice.budget is not None and time.monotonic() - self.began > self.choice.budget


def _survived(seen: list[Seen], usual: list[Usual]) -> str:
    """The outcome of a mutant that no place notices: whether a noise floor lets pass what is not so as it is."""
    if same_bits(seen, usual):
        return BIT_EQUAL
    floored = (one.by_floor and one.worst > other.worst for one, other in zip(seen, usual, strict=True))
    return BY_FLOOR if any(floored) else EQUAL
