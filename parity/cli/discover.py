"""`parity discover`: two models that nobody prepared, as a contract."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from parity.cli.commands import progress


def discover(options: argparse.Namespace, console: Console) -> tuple[bool, dict[str, Any]]:
    """Match two models by value, and write a contract with its sides and cases."""
    from parity.show.discovery import Discovery

    with progress(console) as say:
        say(f"matching {options.candidate} with {options.reference}")
        found = Discovery.of_models(options.reference, options.candidate, options.inputs, options.source)
    for line in found.lines():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    found.save(options.out, options.overwrite)
    text = f"{options.out}: verify it by `{found.command(options.out)}`"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return True, found.as_dict()
