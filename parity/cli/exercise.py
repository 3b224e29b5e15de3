"""`parity exercise`: what several cases do not exercise between them."""

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from parity import contract as contracts
from parity.base import runtime
from parity.base.errors import InputError, UnknownNameError, UsageError
from parity.base.exercise import Exercise
from parity.base.names import meant
from parity.cli.commands import progress
from parity.contract import Contract
from parity.contract.implementation import case_names, make_case, resolve
from parity.run import proof
from parity.run.exact import Exact
from parity.run.exact_report import ExactReport
from parity.run.report import SCHEMA
from parity.show.exercise import show
from parity.show.results import CODE, EXERCISE, exercised
from parity.show.terminal import counted
from parity.show.words import tally


def exercise(options: argparse.Namespace, console: Console) -> tuple[bool, dict[str, Any]]:
    """Sum up results, and proofs of the cases that `--case` names, which are made here."""
    if not (options.results or options.case):
        raise UsageError("nothing to sum up: name results, or cases of the contract by --case PATTERN")
    contract = contracts.load(options.contract)
    earlier, written = exercised(options.results)
    here = proof.code(contract.sides["candidate"]["factory"]) if options.case or not earlier else written
    if earlier and here != written:
        raise UsageError("--case with results of other code: their places are not those of now; leave one of both out")
    reports = list(_proven(contract, options.case, console))
    found = Exercise.together([earlier, *(report.exercise for report in reports)])
    if not found:
        raise InputError("no result says what was exercised; write them again with `parity verify --json`")
    show(found, console, everything=True)
    failed = [report for report in reports if not report.passed]
    for report in failed:
        console.print(f"FAIL {report.case}: {tally(report)}", markup=False, highlight=False, soft_wrap=True)
    text = f"of {counted(len(found.cases), 'case')}: {', '.join(found.cases)}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    about = {
        "schema": SCHEMA,
        "kind": EXERCISE,
        "passed": not failed,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "subject": {CODE: here},
    }
    return not failed, about | found.as_dict()


def _proven(contract: Contract, patterns: list[str], console: Console) -> Iterator[ExactReport]:
    """A run in double of each case whose name matches a pattern, in the contract's order."""
    names = case_names(contract)
    for pattern in patterns:
        if not fnmatch.filter(names or [pattern], pattern):
            raise UnknownNameError(f"no case matches {pattern!r}; {meant(pattern, names)}")
    names = names or patterns
    chosen = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    runtime.share_cores()
    with progress(console) as say:
        for number, name in enumerate(chosen, 1):
            say(f"{number} of {len(chosen)}, {name}")
            case = make_case(contract, name)
            yield Exact(contract, case, resolve(contract.checkpoints)(case)).run()
