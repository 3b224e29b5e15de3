"""The commands, and the command line that reads what they are given."""

from __future__ import annotations

import sys
from itertools import pairwise

from parity.base.gate import BROKEN, FAILURE, INTERRUPTED, PASS, guarded

__all__ = ["BROKEN", "FAILURE", "INTERRUPTED", "PASS", "main"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code. What is loaded for it may be interrupted, too."""

    def command() -> int:
        from parity.cli.command_line import run

        return run(arguments)

    given = sys.argv[1:] if arguments is None else arguments
    return guarded("parity", command, as_json="--json=-" in given or ("--json", "-") in pairwise(given))
