"""A survey: every mutant of a candidate is tried in the segments that its line reaches, until one notices it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from parity.base.errors import InputError
from parity.base.files import replacing
from parity.contract import Contract
from parity.contract.implementation import resolve
from parity.mutate import located, references, worker
from parity.mutate.forked import MEMORY, TIME
from parity.mutate.lines import IMPORT, RUN, Reached, Statements
from parity.mutate.pool import Pool, environment
from parity.mutate.results import (
    BIT_EQUAL,
    BY_FLOOR,
    CRASH,
    EQUAL,
    EQUIVALENT,
    KILLED,
    LIMIT,
    NEVER_RUN,
    SURVIVED,
    WRONG,
    Result,
    Results,
    Score,
)
from parity.mutate.sites import Mutant, mutants
from parity.mutate.subject import File, Pair, Subject, aside, files, fingerprint, of_others, subject
from parity.mutate.trial import Seen


@dataclass(frozen=True)
class Choice:
    """Which mutants are tried: `sample` of all, then the part `shard` of them, until `budget` seconds have passed.

    Of those that a tap notices, `locate` are explained.
    """

    stage: str = ""
    files: tuple[str, ...] = ()
    sample: int | None = None
    shard: tuple[int, int] = (1, 1)
    budget: float | None = None
    random: int = 100
    locate: int = 0
    jobs: int = 1


@dataclass
class Usual:
    """The candidate as it is, in a pair or in a random case: what is seen, its seconds, and the lines that it runs."""

    digest: str
    seconds: float
    reached: Reached
    worst: float = 0.0


@dataclass
class Surveyed:
    """What a survey found: results of the mutants that were chosen and tried, and how many were not tried."""

    contract: str
    cases: list[str]
    results: list[Result]
    left: int
    sources: dict[str, str] = field(default_factory=dict)
    """The text of each file, by its path."""
    aside: list[str] = field(default_factory=list)
    """Modules that were not changed since nobody named them (`parity.mutate.subject.aside`)."""

    @property
    def score(self) -> Score:
        return Score.of(self.results)

    @property
    def survivors(self) -> list[Result]:
        """What no case noticed, those that are equivalent last."""
        found = [result for result in self.results if not result.killed]
        return sorted(found, key=lambda result: result.outcome == EQUIVALENT)

    def by(self, what: str) -> dict[str, Score]:
        """The score of each `file` or `operator`."""
        groups: dict[str, list[Result]] = {}
        for result in self.results:
            groups.setdefault(getattr(result, what), []).append(result)
        return {name: Score.of(found) for name, found in sorted(groups.items())}

    def as_dict(self) -> dict[str, Any]:
        scores = {
            f"{what}s": [{what: name} | score.as_dict() for name, score in self.by(what).items()]
            for what in ("file", "operator")
        }
        outcomes = Counter(result.outcome for result in self.results)
        return {
            "contract": self.contract,
            "cases": self.cases,
            **self.score.as_dict(),
            "left": self.left,
            "located": sum(result.located is True for result in self.results),
            "explained": sum(result.located is not None for result in self.results),
            "outcomes": {name: outcomes[name] for name in (*KILLED, *SURVIVED) if outcomes[name]},
            **scores,
            "mutants": [asdict(result) for result in self.results],
        }


class Survey:
    """Surveys the candidate of a contract by the cases that match a pattern; `folder` keeps what is found.

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
        self.files = files(contract, choice.files)
        self.random = resolve(contract.mutate["random"]) if choice.random and "random" in contract.mutate else None
        self.subject = subject(contract, cases, folder / "references", [folder, *apart])
        self.pairs = self.subject.pairs(choice.stage)
        self.named = fingerprint(self.subject, self.all_files)
        self.mutants = {
            mutant.id: (file, mutant)
            for file in self.files
            for mutant in mutants(file.source, file.module)
            if mutant.line not in of_others(contract, file)
        }
        self.statements = {file.module: Statements(file.source) for file in self.files}

    def run(self) -> Surveyed:
        """Try the chosen mutants that have no result yet, and give the results of all that were chosen."""
        with environment():
            self._references()
            part, parts = self.choice.shard
            file = "mutants.jsonl" if parts == 1 else f"mutants-{part}-of-{parts}.jsonl"
            results = Results(self.folder / "results", self.named, file)
            try:
                usual = self._usual()
                places = self._chosen(usual)
                self._try(places, usual, results)
                self._try_random(places, results)
                self._locate(places, results)
            finally:
                results.close()
        found = [results[name] for name in places if name in results]
        found.sort(key=lambda result: (result.file, result.line, result.column))
        sources = {file.shown: file.source for file in self.files}
        cases, left = list(self.subject.cases), len(places) - len(found)
        return Surveyed(str(self.contract.path), cases, found, left, sources, aside(self.contract))

    def _chosen(self, usual: Mapping[Pair, Usual]) -> dict[str, list[Pair]]:
        """Names of mutants, each with its places; of a stage alone those that it reaches.

        Their order has nothing to do with where they lie, so any part of it is a sample.
        """
        found = {name: self._places(usual, *self.mutants[name]) for name in sorted(self.mutants)}
        names = [name for name, places in found.items() if places or not self.choice.stage]
        part, parts = self.choice.shard
        return {name: found[name] for name in names[: self.choice.sample][part - 1 :: parts]}

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

    def _usual(self) -> dict[Pair, Usual]:
        """The candidate as it is, in every pair. Raises `InputError` where it is wrong by itself."""
        stored = self.folder / "usual" / f"{self.named}.json"
        found: dict[Pair, Usual] = {}
        if stored.is_file():
            for case, number, device, *rest in json.loads(stored.read_text()):
                found[Pair(case, number, device)] = Usual(*rest)
        missing = [pair for pair in self.pairs if pair not in found]
        if not missing:
            return {pair: found[pair] for pair in self.pairs}
        with Pool(min(self.choice.jobs, len(missing)), worker.begin, self.subject) as pool:
            runs = pool.map(worker.usual, {pair: (pair, self.all_files) for pair in missing})
            for number, (pair, (seen, seconds, reached)) in enumerate(runs, 1):
                if seen.noticed:
                    raise InputError(
                        f"the candidate itself is not equal in {self.subject.label(pair)}: {seen.tap} "
                        f"{seen.reason or seen.crash}; correct it first, or leave the case out by --cases"
                    )
                found[pair] = Usual(seen.digest, seconds, reached, seen.worst)
                self.progress(f"the candidate as it is: {number} of {len(missing)} segments")
        with replacing(stored) as partial:
            rows = [[*pair, one.digest, one.seconds, one.reached, one.worst] for pair, one in found.items()]
            partial.write_text(json.dumps(rows))
        return {pair: found[pair] for pair in self.pairs}

    def _places(self, usual: Mapping[Any, Usual], file: File, mutant: Mutant) -> list[Any]:
        """What a mutant's line can reach, cheapest first.

        What runs at an import can reach every segment: those that run another line of the file come first.
        """
        lines = set(self.statements[file.module].of(mutant.line))

        def running(when: str, wanted: set[int] | None) -> list[Any]:
            found = (place for place, one in usual.items() if _any(one.reached.get(file.module, {}), when, wanted))
            return sorted(found, key=lambda place: usual[place].seconds)

        order = running(RUN, lines)
        if importing := running(IMPORT, lines):
            order += [*running(RUN, None), *importing]
        return list(dict.fromkeys(order))

    def _try(self, places: Mapping[str, list[Pair]], usual: Mapping[Pair, Usual], results: Results) -> None:
        """Try the mutants that have no result, each in its places."""
        waiting = {name: number for number, name in enumerate(places) if name not in results}
        idle = [name for name in waiting if not places[name]]

        def skip(number: int) -> None:
            """Record what never runs up to there: it takes its turn, so that a part of all is a sample."""
            while idle and waiting[idle[0]] < number:
                results.add(self._result(idle.pop(0), NEVER_RUN))

        tasks = {name: _trial(*self.mutants[name], places[name], usual) for name in waiting if places[name]}
        for name, (seen, ended) in self._submitted(worker.tried, {name: (task,) for name, task in tasks.items()}):
            results.add(self._judged(name, places[name], seen, ended, usual))
            skip(waiting[name])
            tried = [results[name] for name in places if name in results]
            score = Score.of(tried)
            self.progress(f"{len(tried)} of {len(places)} mutants, {_percent(score)} killed")
        if not self._spent():
            skip(len(places))

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
            found = self._places(usual, *self.mutants[name])
            tasks[name] = _trial(*self.mutants[name], found, usual), digests
        for done, (name, differing) in enumerate(self._submitted(worker.tried_whole, tasks, random), 1):
            self.progress(f"{done} of {len(names)} mutants of the same bits in random cases")
            count = len(tasks[name][0].pairs)
            if differing:
                results.add(replace(results[name], random=len(cases), reason=f"differs in the random case {differing}"))
            else:
                reason = f"the same bits in {count} of {len(cases)} random cases, which run the line"
                results.add(replace(results[name], outcome=EQUIVALENT, random=len(cases), reason=reason))

    def _locate(self, places: Mapping[str, list[Pair]], results: Results) -> None:
        """See of so many of the killed mutants whether their lines are shown: what a tap noticed is explained."""
        killed = [name for name in places if name in results and results[name].outcome in (WRONG, CRASH)]
        tasks = {}
        for name in killed[: self.choice.locate]:
            result = results[name]
            if result.located is None and result.outcome == CRASH:
                self._note(name, [result.reason], results)
            elif result.located is None:
                pair = next(pair for pair in places[name] if self._is_at(pair, result))
                file, mutant = self.mutants[name]
                tasks[name] = (worker.Trial(file.module, mutant.source, ((pair, 0.0),)),)
        for done, (name, texts) in enumerate(self._submitted(located.shown, tasks, begin=located.begin_both), 1):
            self._note(name, texts, results)
            self.progress(f"{done} of {len(tasks)} mutants explained")

    def _note(self, name: str, texts: list[str], results: Results) -> None:
        """Whether a mutant's line is among those of what is said of it."""
        file, mutant = self.mutants[name]
        lines = self.statements[file.module].of(mutant.line)
        results.add(replace(results[name], located=located.names(texts, file.path, lines)))

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

    def _result(self, name: str, outcome: str, **more: Any) -> Result:
        file, mutant = self.mutants[name]
        where = {key: getattr(mutant, key) for key in ("line", "column", "function", "operator", "before", "after")}
        return Result(name, file.shown, **where, outcome=outcome, **more)

    def _judged(
        self, name: str, places: list[Pair], seen: list[Seen], ended: str, usual: Mapping[Pair, Usual]
    ) -> Result:
        """The result of a mutant, by what was seen in each of its places and how its process ended."""
        last = seen[-1] if seen and not ended else Seen(crash=ended)
        number = len(seen) - (not ended)
        more: dict[str, Any] = {"tried": number + 1, "reaching": len(places)}
        if last.noticed:
            pair = places[number]
            more |= {"case": pair.case, "segment": self.subject.segment(pair).label, "device": pair.device}
            if last.crash:
                outcome = LIMIT if last.crash in (TIME, MEMORY) else CRASH
                return self._result(name, outcome, reason=last.crash, **more)
            return self._result(name, WRONG, reason=last.reason, tap=last.tap, error=last.error, **more)
        worst = max(range(len(seen)), key=lambda place: seen[place].worst)
        pair = places[worst]
        more |= {"case": pair.case, "segment": self.subject.segment(pair).label, "device": pair.device}
        more["worst"] = seen[worst].worst
        if all(one.digest == usual[place].digest for one, place in zip(seen, places, strict=True)):
            return self._result(name, BIT_EQUAL, **more)
        return self._result(name, BY_FLOOR if _by_floor(seen, places, usual) else EQUAL, **more)


def _by_floor(seen: list[Seen], places: list[Pair], usual: Mapping[Pair, Usual]) -> bool:
    """Whether a noise floor lets pass what is further off than the candidate as it is."""
    return any(one.by_floor and one.worst > usual[place].worst for one, place in zip(seen, places, strict=True))


def _any(reached: Mapping[str, list[int]], when: str, wanted: set[int] | None) -> bool:
    lines = reached.get(when, [])
    return bool(lines) if wanted is None else not wanted.isdisjoint(lines)


def _trial(file: File, mutant: Mutant, places: Iterable[Any], usual: Mapping[Any, Usual]) -> worker.Trial:
    return worker.Trial(file.module, mutant.source, tuple((place, usual[place].seconds) for place in places))


def _percent(score: Score) -> str:
    return "none" if score.share is None else f"{100 * score.share:.1f} %"
