"""What is verified: a page of Markdown made of results, for each case the newest on each device, and what is not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parity.base.exercise import Exercise
from parity.contract import Contract
from parity.run.report import PUBLISHED, WEIGHTS, Report
from parity.show.exercise import lines as groups
from parity.show.results import Ran, device, versions
from parity.show.terminal import counted
from parity.show.words import ratio

HEAD = """# What is verified

Made by `parity status` of results; do not edit it. A case that is named after a size alone is a whole run.
Weights are synthetic, trained (of some model), or published (of the model itself); what was given by `--checkpoint` may
be any of them. A published row is of a certificate that the owner of a checkpoint sent: `parity adopt`.

| result | case | weights | device | versions | verdicts | worst ratio64 | worst ratio32 | when | commit |
|---|---|---|---|---|---|---|---|---|---|
"""
UNSEEN = "\nNo published checkpoint has been seen here: no result above is of one.\n"


@dataclass(frozen=True)
class Row:
    """A row of the table. Of its verdicts `failed` failed, `given` were given, and so many were expected."""

    case: str
    environment: Mapping[str, str]
    passed: bool
    failed: int
    given: int
    expected: int
    ratio64: float
    ratio32: float
    when: str


def page(
    results: list[Report], contract: Contract, exercise: Exercise, certificates: Iterable[Mapping[str, Any]] = ()
) -> str:
    """The newest result of each case on each device, the contract's targets that no result is of, what no case runs.

    Informative results verify nothing. Of a certificate every run is a result.
    """
    newest: dict[tuple[str, str, str, str], Row] = {}
    rows = [_of_report(result) for result in results if not result.informative]
    rows += [row for certificate in certificates for row in _of_certificate(certificate)]
    for row in sorted(rows, key=lambda row: row.when):
        newest[row.case, kind(row), device(row), versions(row)] = row
    lines = []
    for row in sorted(newest.values(), key=lambda row: (row.case, device(row))):
        cells = (
            "pass" if row.passed else f"**FAIL**, {row.failed} failed",
            row.case,
            kind(row),
            device(row),
            versions(row),
            f"{row.given} of {row.expected}",
            ratio(row.ratio64),
            ratio(row.ratio32),
            row.when or "not recorded",
            row.environment.get("commit", "not recorded"),
        )
        lines.append(f"| {' | '.join(str(cell).replace('|', ' ') for cell in cells)} |\n")
    missing = [target["name"] for target in contract.targets if not any(on(target, row) for row in rows)]
    rest = ["\n## Not verified\n\n"]
    rest += [f"- {name}: no result of a run on it has been given.\n" for name in missing]
    failed = sorted({row.case for row in newest.values() if not row.passed})
    rest += [f"- {case}: its newest result failed.\n" for case in failed]
    unseen = [UNSEEN] if all(kind(row) != PUBLISHED for row in newest.values()) else []
    return "".join([HEAD, *lines, *unseen, *(rest if len(rest) > 1 else ()), *_not_exercised(exercise)])


def _of_report(report: Report) -> Row:
    return Row(
        report.case,
        report.environment,
        report.passed,
        len(report.failures),
        len(report.verdicts),
        report.expected,
        report.worst("ratio64"),
        report.worst("ratio32"),
        report.when,
    )


def _of_certificate(certificate: Mapping[str, Any]) -> Iterator[Row]:
    """A row of each run. The kind of the weights is the certificate's, whose audits must have passed as well."""
    for run in certificate["runs"]:
        yield Row(
            run["case"],
            run["environment"] | {WEIGHTS: certificate["weights"]},
            run["passed"],
            run["failures"],
            run["verdicts"],
            run["expected_verdicts"],
            _worst(run, "ratio64"),
            _worst(run, "ratio32"),
            run["when"],
        )


def _worst(run: Mapping[str, Any], ratio: str) -> float:
    """The largest of any stage; NaN where none has one."""
    return max((stage[ratio] for stage in run["stages"] if stage[ratio] is not None), default=math.nan)


def _not_exercised(exercise: Exercise) -> Iterator[str]:
    if exercise:
        cases = counted(len(exercise.cases), "case")
        yield f"\n## Not exercised\n\nBy {cases}: {exercise.summary()} of the candidate.\n"
        for group, found in groups(exercise):
            yield f"\n{group[0].upper()}{group[1:]}:\n\n"
            yield from (f"- `{line.replace('`', ' ')}`\n" for line in found)


def kind(row: Ran) -> str:
    """What kind of weights a result is of."""
    return row.environment.get(WEIGHTS, "not recorded")


def on(target: Any, row: Ran) -> bool:
    """Whether a result is of a run on a target: its environment says all that the target asks for."""
    return bool(target["environment"].items() <= row.environment.items())
