"""`parity repro`: a departure of two models as one zip, for an issue."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from parity.base.errors import UsageError
from parity.base.files import require_new
from parity.cli.commands import progress


def repro(options: argparse.Namespace, console: Console) -> tuple[bool, dict[str, Any]]:
    """Compare two models in double, and write one of the departures with scripts that show it."""
    from parity.show.comparison import Comparison

    if options.departure < 1:
        raise UsageError(f"--departure {options.departure}: departures are counted from 1")
    if not options.overwrite:
        require_new([options.out])
    with progress(console) as say:
        say(f"proving {options.candidate} against {options.reference}")
        models = options.reference, options.candidate, options.inputs
        called = {"call": options.call or None, "draws": options.draws}
        found = Comparison.of(*models, options.axes, options.source, exact=True, **called)
        say(f"running the scripts of departure {options.departure}")
        result = found.repro(options.out, options.departure - 1, options.overwrite)
    for name in ("reference.py", "candidate.py"):
        for line in result["printed"][name]:
            console.print(f"{name}: {line}", markup=False, highlight=False)
    console.print(f"{options.out}: departure {options.departure}, {len(result['files'])} files", markup=False)
    return True, result
