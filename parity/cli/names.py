"""`parity cases`, `stages` and `taps`: the names that the other commands take, one a line."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from parity import contract as contracts
from parity.base.errors import ContractError, UnknownNameError
from parity.base.names import meant
from parity.contract.implementation import case_names, make_case

Result = tuple[bool, dict[str, Any]]


def cases(options: argparse.Namespace, console: Console) -> Result:
    """The cases of a contract."""
    contract = contracts.load(options.contract)
    names = case_names(contract)
    if not names:
        raise ContractError(
            f"{contract.path}: {contract.cases!r} has no list CASES beside it, which would name the cases"
        )
    return _listed(console, "cases", [{"case": name} for name in names])


def stages(options: argparse.Namespace, console: Console) -> Result:
    """The stages of a case in the order in which they run, with the number of their taps."""
    counts: dict[str, int] = {}
    for row in _taps(options):
        counts[row["stage"]] = counts.get(row["stage"], 0) + 1
    return _listed(console, "stages", [{"stage": name, "taps": count} for name, count in counts.items()])


def taps(options: argparse.Namespace, console: Console) -> Result:
    """The taps of a case, or of one stage of it, in the order in which they appear, with their axes."""
    rows = _taps(options)
    if options.stage and not any(row["stage"] == options.stage for row in rows):
        raise UnknownNameError(f"no stage {options.stage!r}; {meant(options.stage, (row['stage'] for row in rows))}")
    return _listed(console, "taps", [row for row in rows if options.stage in ("", row["stage"])])


def _taps(options: argparse.Namespace) -> list[dict[str, Any]]:
    contract = contracts.load(options.contract)
    case = make_case(contract, options.case)
    return [
        {"tap": tap.name, "axes": tap.axes, "stage": segment.stage}
        for segment in contract.segments(case.dims, case.segments)
        for tap in segment.taps
    ]


def _listed(console: Console, what: str, rows: list[dict[str, Any]]) -> Result:
    """Each row on a line, its columns apart by tabs, so that a shell can take them apart."""
    for row in () if console.quiet else rows:
        print(*row.values(), sep="\t", file=console.file)  # the console would make blanks of tabs
    return True, {what: rows}
