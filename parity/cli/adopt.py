"""`parity adopt`: what the owner of a checkpoint runs once."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from parity import contract as contracts
from parity.base import runtime
from parity.base.files import replacing, require_new
from parity.base.jsonfile import write_json
from parity.cli.commands import progress
from parity.run.adoption import Adopting, Adoption
from parity.run.certificate import FILE, certificate
from parity.show import page, terminal
from parity.show.terminal import counted

REPORT, WEIGHTS = "report", "weights"
SHOWN = 20  # problems of an audit; the certificate counts all


def adopt(options: argparse.Namespace, console: Console) -> tuple[bool, dict[str, Any]]:
    """Audit a checkpoint, convert it, verify both sides on it, and write a report and a certificate."""
    page.require_extra()
    require_new([options.out])
    runtime.prepare()
    contract = contracts.load(options.contract)
    adopting = Adopting(contract, options.case, options.checkpoint)
    only = adopting.cases[0]  # of several cases no segment has one number
    segments = contract.segments(only.dims, only.segments) if len(adopting.cases) == 1 else ()
    with replacing(options.out) as partial:
        (partial / WEIGHTS).mkdir(parents=True)
        with progress(console, segments) as say:
            found = adopting.run(partial / WEIGHTS, say)
        for report in found.reports:
            report.command = options.line
        made = certificate(found)
        write_json(made, partial / FILE)
        if found.reports:
            audits = {f"{options.checkpoint}, {name}": audit for name, audit in found.audits.items()}
            page.write(found.reports, partial / REPORT, {"audits": audits})
    _show(found, contract, options, console)
    return found.passed, made


def _show(found: Adoption, contract: contracts.Contract, options: argparse.Namespace, console: Console) -> None:
    """Print the audits, each report, what it came to and what to send."""

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    for name, audit in found.audits.items():
        problems = audit["problems"]
        say(f"files {name}: {audit['tensors']} tensors, {counted(len(problems), 'problem')}")
        for problem in problems[:SHOWN]:
            say(f"  {problem['kind']}: {problem['text']}")
        if (more := len(problems) - SHOWN) > 0:
            say(f"  ... and {more} more")
    for report in found.reports:
        terminal.show(report, contract, console)
    if not found.reports:
        say("nothing was run: correct the files first, or fetch them again", "bold red")
    word, style = ("PASS", "") if found.passed else ("FAIL", "bold red")
    say(
        f"{word} {counted(len(found.files), 'file')} of {found.weights} weights, {counted(len(found.reports), 'case')}",
        style,
    )
    say(f"{options.out / FILE}: to send; it has hashes, versions and ratios, and neither weights nor paths")
