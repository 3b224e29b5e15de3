"""What is verified: a page of Markdown made of results, for each case the newest on each device, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.base.exercise import Exercise
from parity.contract import Contract
from parity.run.report import PUBLISHED, WEIGHTS, Report
from parity.show.exercise import lines as groups
from parity.show.results import device, versions
from parity.show.terminal import counted
from parity.show.words import ratio

HEAD = """# What is verified

Made by `parity status` of results; do not edit it. A case that is named after a size alone is a whole run.
Weights are synthetic, trained (of some model), or published (of the model itself); what was given by `--checkpoint` may
be any of them.

| result | case | weights | device | versions | verdicts | worst ratio64 | worst ratio32 | when | commit |
|---|---|---|---|---|---|---|---|---|---|
"""
UNSEEN = "\nNo published checkpoint has been seen here: no result above is of one.\n"


def page(results: list[Report], contract: Contract, exercise: Exercise) -> str:
    """The newest result of each case on each device, the contract's targets that no result is of, what no case runs.

    Informative results verify nothing.
    """
    newest: dict[tuple[str, str, str, str], Report] = {}
    results = [result for result in results if not result.informative]
    for result in sorted(results, key=lambda result: result.when):
        newest[result.case, kind(result), device(result), versions(result)] = result
    lines = []
    for result in sorted(newest.values(), key=lambda result: (result.case, device(result))):
        cells = (
            "pass" if result.passed else f"**FAIL**, {len(result.failures)} failed",
            result.case,
            kind(result),
            device(result),
            versions(result),
            f"{len(result.verdicts)} of {result.expected}",
            ratio(result.worst("ratio64")),
            ratio(result.worst("ratio32")),
            result.when or "not recorded",
            result.environment.get("commit", "not recorded"),
        )
        lines.append(f"| {' | '.join(str(cell).replace('|', ' ') for cell in cells)} |\n")
    missing = [target["name"] for target in contract.targets if not any(on(target, result) for result in results)]
    rest = ["\n## Not verified\n\n"]
    rest += [f"- {name}: no result of a run on it has been given.\n" for name in missing]
    failed = sorted({result.case for result in newest.values() if not result.passed})
    rest += [f"- {case}: its newest result failed.\n" for case in failed]
    unseen = [UNSEEN] if all(kind(result) != PUBLISHED for result in newest.values()) else []
    return "".join([HEAD, *lines, *unseen, *(rest if len(rest) > 1 else ()), *_not_exercised(exercise)])


def _not_exercised(exercise: Exercise) -> Iterator[str]:
    if exercise:
        cases = counted(len(exercise.cases), "case")
        yield f"\n## Not exercised\n\nBy {cases}: {exercise.summary()} of the candidate.\n"
        for group, found in groups(exercise):
            yield f"\n{group[0].upper()}{group[1:]}:\n\n"
            yield from (f"- `{line.replace('`', ' ')}`\n" for line in found)


def kind(result: Report) -> str:
    """What kind of weights a result is of."""
    return result.environment.get(WEIGHTS, "not recorded")


def on(target: Any, result: Report) -> bool:
    """Whether a result is of a run on a target: its environment says all that the target asks for."""
    return bool(target["environment"].items() <= result.environment.items())
