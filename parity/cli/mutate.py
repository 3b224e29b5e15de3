"""`parity mutate`: what the cases of a contract notice of faults that are put into its candidate."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from parity import contract as contracts
from parity.base.errors import MissingModuleError, UsageError
from parity.cli.commands import progress


def mutate(options: argparse.Namespace, console: Console) -> tuple[bool, dict[str, Any]]:
    """Change the candidate's source one place at a time, and run what each change can reach."""
    if not hasattr(os, "fork"):
        raise UsageError("this system cannot fork a process; survey on Linux or macOS")
    try:
        from parity.mutate.survey import Choice, Survey
    except ModuleNotFoundError as error:
        raise MissingModuleError(
            f"{error}; a survey needs more: in a checkout, python3 -m pip install '.[mutate]'"
        ) from error
    from parity.show import mutation

    choice = Choice(
        options.stage,
        tuple(options.files),
        options.sample,
        options.shard,
        options.budget,
        options.random,
        options.locate,
        options.jobs or os.cpu_count() or 1,
        options.arithmetic,
    )
    contract = contracts.load(options.contract)
    if options.package:
        contract = replace(
            contract, mutate={**contract.mutate, "packages": options.package, "leave_out": {}, "equivalent": []}
        )
    with progress(console) as say:
        apart = [Path(path) for path in (options.json, options.report) if path is not None]
        found = Survey(contract, options.cases, options.state, choice, say, apart).run()
    mutation.show(found, console)
    if options.report:
        from parity.show.page import mutation as page

        page.write(found, options.report)
        console.print(f"{options.report / 'index.html'}", markup=False, highlight=False)
    share = found.score.share
    passed = not options.at_least or (share is not None and 100 * share >= options.at_least)
    if not passed:
        text = f"FAIL: expected at least {options.at_least:g} % noticed"
        console.print(text, style="bold red", markup=False, highlight=False)
    return passed, {"passed": passed, "command": options.line} | found.as_dict()
