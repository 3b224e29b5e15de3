"""A random sample of the mutants that `parity mutate` makes, as dumps of a tiny case: what a diagnosis says of them.

    python -m tests.mutants.sampled --count 100 --seed 1

A mutant runs as a port does, in float32 on this machine's device, in a process of its own. What is first wrong by right
is the first value that is not the candidate's own to the bit.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fixtures import cases
from parity.capture.golden import MANIFEST, Golden
from parity.contract.implementation import resolve
from parity.diagnose.hypotheses.names import BY_NAME
from parity.mutate.forked import Say, forked, limit_time
from parity.mutate.lines import IMPORT, RUN, Reached, Statements, traced
from parity.mutate.mutated import mutated
from parity.mutate.pool import environment
from parity.mutate.sites import Mutant, mutants
from parity.mutate.subject import File, files
from parity.run import dumps as offline
from tests.mutants.kinds import families
from tests.mutants.subjects import case, contract

CASES = ("t3", "flow", "flow-batch", "tiny-vocoder", "tiny-conditioning")
"""The smallest case of each stage; the cheapest first."""
SECONDS = 60
SURE = 0.9
JUDGED, UNSEEN, ENDED, UNREACHED = "judged", "unseen", "ended", "unreached"
"""What becomes of a mutant: it is said something of; all values pass; it writes no dumps; no case runs its line."""

Said = list[tuple[str, float, str]]
"""Families, confidences and sentences, the likeliest first."""


@dataclass
class Sampled:
    """A mutant: the tap that is first wrong by right, the one that is said to be, and what is said without and with
    the checkpoint."""

    id: str
    place: str
    operator: str
    before: str
    after: str
    right: list[str]
    outcome: str = UNREACHED
    case: str = ""
    tap: str = ""
    said_tap: str = ""
    alone: Said = field(default_factory=list)
    known: Said = field(default_factory=list)

    def named(self, said: Said) -> bool:
        """Whether a right family is among the first two."""
        return any(family in self.right for family, *_ in said[:2])

    def say(self, golden: Path, dumps: Path, checkpoint: Path) -> bool:
        """Note what is said of dumps without the checkpoint and with it; whether they fail."""
        for given in (None, checkpoint):
            found = offline.compare(contract(), Golden(golden), dumps, checkpoint=given).diagnosis
            if found is None:
                return False
            said = [(each.family, each.confidence, each.sentence) for each in found.findings]
            self.said_tap, self.alone, self.known = found.first.tap, said if given is None else self.alone, said
        return True


def sample(count: int, seed: int, folder: Path, names: Sequence[str] = CASES, jobs: int = 1) -> Iterator[Sampled]:
    """Mutants in a random order, up to the `count`th of which something is said. What is written stays in `folder`."""
    every = [(file, mutant) for file in files(contract()) for mutant in mutants(file.source, file.module)]
    random.Random(seed).shuffle(every)
    said = 0
    for found in judged(every, folder, names, jobs):
        yield found
        said += found.outcome == JUDGED
        if said == count:
            return


def judged(
    chosen: Sequence[tuple[File, Mutant]], folder: Path, names: Sequence[str] = CASES, jobs: int = 1
) -> Iterator[Sampled]:
    """What is said of mutants, in their order, each by the first of the cases that shows it."""
    with environment():
        with _pool(jobs) as pool:  # PyTorch's threads would not outlive a fork
            list(pool.map(_golden, names, [folder] * len(names)))
        with _pool(jobs) as pool:
            reached = dict(zip(names, pool.map(_usual, names, [folder] * len(names)), strict=True))
            statements = {file.module: Statements(file.source) for file, _ in chosen}
            for at in range(0, len(chosen), 2 * jobs):
                part = chosen[at : at + 2 * jobs]
                where = [_reaching(reached, statements[file.module], file, mutant) for file, mutant in part]
                yield from pool.map(_judged, *zip(*part, strict=True), where, [folder] * len(part))


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))


def _golden(name: str, folder: Path) -> None:
    if not (golden := folder / name / "golden").exists():
        checkpoint = cases.synthetic_checkpoint(case(name))
        offline.capture(contract(), case(name), checkpoint, "reference", golden, floors=True)


def _usual(name: str, folder: Path) -> Reached:
    """The lines that the candidate as it is runs in a case; its dumps are left in the folder."""
    if (stored := folder / name / "reached.json").exists():
        return json.loads(stored.read_text())

    def work(say: Say) -> None:
        with traced(files(contract())) as (reached, phase):
            resolve(contract().sides["candidate"]["factory"])
            phase(RUN)
            _written(name, folder / name / "usual")
        say(reached)

    said, ended = forked(work)
    assert not ended, ended
    stored.write_text(json.dumps(said[0]))
    return said[0]


def _written(name: str, out: Path) -> None:
    offline.capture(contract(), case(name), cases.synthetic_checkpoint(case(name)), "candidate", out, replace=True)


def _reaching(reached: dict[str, Reached], statements: Statements, file: File, mutant: Mutant) -> list[str]:
    """The cases that run a mutant's line; of a line that is run at an import, those that run any of its file."""
    lines = set(statements.of(mutant.line))

    def running(when: str, wanted: set[int] | None) -> list[str]:
        run = {name: set(found.get(file.module, {}).get(when, [])) for name, found in reached.items()}
        return [name for name, own in run.items() if (own if wanted is None else own & wanted)]

    found = running(RUN, lines)
    return found or (running(RUN, None) or list(reached) if running(IMPORT, lines) else [])


def _judged(file: File, mutant: Mutant, names: list[str], folder: Path) -> Sampled:
    right = sorted(families(mutant, file.module))
    place = f"{file.shown}:{mutant.line} {mutant.function}"
    found = Sampled(mutant.id, place, mutant.operator, mutant.before, mutant.after, right)
    for name in names:
        out = folder / name / mutant.id
        if not (out / "what").exists():
            _try(file, mutant, name, out)
        found.case, found.outcome = name, (out / "what").read_text()
        if found.outcome == ENDED:
            return found
        if _compared(found, name, out, folder):
            return found
    return found


def _try(file: File, mutant: Mutant, name: str, out: Path) -> None:
    """Write a mutant's dumps, and `what` became of it."""

    def work(say: Say) -> None:
        limit_time(SECONDS)
        with mutated(file.module, mutant.source):
            _written(name, out / "dumps")

    try:
        _, ended = forked(work)
    except RuntimeError as error:
        ended = str(error)
    out.mkdir(parents=True, exist_ok=True)
    if ended:
        shutil.rmtree(out / "dumps", ignore_errors=True)
        (out / "why").write_text(ended)
    (out / "what").write_text(ENDED if ended else JUDGED)


def _compared(found: Sampled, name: str, out: Path, folder: Path) -> bool:
    """Judge a mutant's dumps; whether they fail."""
    usual, own = (Golden(path).entries for path in (folder / name / "usual", out / "dumps"))
    found.tap = next((tap for tap in usual if tap not in own or own[tap]["sha256"] != usual[tap]["sha256"]), "")
    found.outcome = UNSEEN
    if not found.tap:
        return False
    with tempfile.TemporaryDirectory() as bare:
        for file in (out / "dumps").iterdir():
            if file.name != MANIFEST:
                os.symlink(file, Path(bare) / file.name)
        if not found.say(folder / name / "golden", Path(bare), cases.synthetic_checkpoint(case(name))):
            return False
    found.outcome = JUDGED
    return True


def by_chance(found: Sequence[Sampled], said: str) -> float:
    """The share of mutants whose two guesses would be right of another mutant: how little the table of truth asks."""
    rows = [(one.right, [family for family, *_ in getattr(other, said)[:2]]) for one in found for other in found]
    return sum(any(family in right for family in guesses) for right, guesses in rows) / max(len(rows), 1)


def explained(said: Said) -> Said:
    """What is said of values, not of the tap's name."""
    return [each for each in said if not each[2].startswith(BY_NAME)]


def figures(found: Iterable[Sampled]) -> list[str]:
    """What a sample shows, line by line."""
    found = list(found)
    judged = [one for one in found if one.outcome == JUDGED]
    counts = Counter(one.outcome for one in found)
    lines = [f"{len(found)} mutants: " + ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common())]
    taps = sum(one.tap == one.said_tap for one in judged)
    lines.append(f"right first tap: {taps} of {len(judged)}")
    for words, said in (("dumps alone", "alone"), ("with the checkpoint", "known")):
        two = sum(one.named(getattr(one, said)) for one in judged)
        by_name = sum(one.named(getattr(one, said)) and not one.named(explained(getattr(one, said))) for one in judged)
        sure = [(one, family) for one in judged for family, sure, _ in getattr(one, said) if sure >= SURE]
        right = sum(family in one.right for one, family in sure)
        lines.append(
            f"{words}: right family in two guesses {two} of {len(judged)} ({by_name} by the tap's name "
            f"alone, {by_chance(judged, said):.0%} by chance); at {SURE} or above {right} of {len(sure)} right"
        )
    return lines


def misses(found: Iterable[Sampled]) -> list[str]:
    """What was said otherwise than is right, by what was said first."""
    rows = []
    for one in found:
        if one.outcome == JUDGED and not (one.named(one.known) and one.tap == one.said_tap):
            said = "; ".join(f"{family} {sure:.2f} {text}" for family, sure, text in one.known[:2])
            what = f"{one.place} {one.operator}: {one.before} -> {one.after}"
            tap = one.said_tap if one.tap == one.said_tap else f"{one.said_tap} (right: {one.tap})"
            rows.append((one.known[0][0] if one.known else "", f"{one.id} {what}\n    {one.case} {tap}: {said}"))
    return [f"{family or 'nothing'}: {text}" for family, text in sorted(rows)]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.sampled", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="mutants of which something is said")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--case", action="append", choices=CASES, help="instead of all")
    parser.add_argument("--folder", type=Path, help="where dumps stay, so that they are judged again without a run")
    parser.add_argument("--json", type=Path, help="where what was found is written")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).absolute()
        found = list(sample(given.count, given.seed, folder, given.case or CASES, given.jobs))
    print(*misses(found), *figures(found), sep="\n")
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in found], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
