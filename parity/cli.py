"""The command line: `parity verify | capture | compare | bisect | inspect | doctor`.

Exit codes: 0 pass, 1 parity failure, 2 wrong use or broken input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from parity import commands
from parity.contract import FULL
from parity.errors import InputError

PASS, FAILURE, BROKEN = 0, 1, 2
DEFAULT_CONTRACT = Path("fixtures/contract.toml")
LOG_WIDTH = 120  # of a log that is no terminal; 80 columns cut the names of the taps


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="parity", description="Prove block by block that two implementations compute the same."
    )
    subparsers = top.add_subparsers(dest="command", required=True)

    def add(name: str, run: Callable[..., commands.Result], text: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=text, description=text)
        sub.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON; - for standard output")
        sub.set_defaults(run=run)
        return sub

    def add_run_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--contract", type=Path, default=DEFAULT_CONTRACT, help="contract file (%(default)s)")
        sub.add_argument("--case", default="tiny", help="case of the contract's provider (%(default)s)")
        sub.add_argument("--checkpoint", type=Path, help="checkpoint directory (a synthetic one when left out)")

    verify = add("verify", commands.verify, "run both sides and judge every tap")
    add_run_options(verify)
    verify.add_argument("--precision", default=FULL.name, help="of the candidate, one of the contract's (%(default)s)")

    capture = add("capture", commands.capture, "run one side and store its trace as NPY files with a manifest")
    add_run_options(capture)
    capture.add_argument("--side", default="reference", help="a side of the contract (%(default)s)")
    capture.add_argument("--out", type=Path, required=True, help="folder to write; it must not exist")
    capture.add_argument("--floors", action="store_true", help="store noise floors too (runs the reference in float64)")

    compare = add("compare", commands.compare, "judge a folder of dumps against a golden folder")
    compare.add_argument("golden", type=Path, help="golden folder with noise floors")
    compare.add_argument("candidate", type=Path, help="golden folder, or any folder of NPY files named by tap")
    compare.add_argument("--contract", type=Path, default=DEFAULT_CONTRACT, help="contract file (%(default)s)")
    compare.add_argument(
        "--layout",
        choices=("reference", "candidate"),
        default="reference",
        help="axis order of dumps that come without a manifest (%(default)s)",
    )

    bisect = add("bisect", commands.bisect, "search for the tap that makes a stage wrong, with few partial runs")
    add_run_options(bisect)
    bisect.add_argument("--stage", default="", help="stage to search in (the whole case when left out)")
    bisect.add_argument("--end", default="", help="tap whose error is followed (the stage's last one of numbers)")
    bisect.add_argument("--state", type=Path, help="file that each probe is kept in, to go on from or to show again")
    bisect.add_argument("--golden", type=Path, help="search in dumps: golden folder with noise floors")
    bisect.add_argument("--dumps", type=Path, help="search in dumps: folder of the candidate's, named by tap")
    bisect.add_argument("--layout", choices=("reference", "candidate"), default="reference", help="axis order of dumps")

    inspect = add("inspect", commands.inspect, "say what an NPY file or a golden folder holds")
    inspect.add_argument("path", type=Path)

    add("doctor", commands.doctor, "print versions, devices and the precision probe; fail when float32 is not float32")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = parser().parse_args(arguments)
    sys.path.insert(0, os.getcwd())  # the contract's dotted names are found from the checkout it is run in
    console = Console(stderr=options.json == Path("-"))
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(stderr=console.stderr, width=LOG_WIDTH)
    try:
        passed, result = options.run(options, console)
        write_json(result, options.json)
    except InputError as error:
        Console(stderr=True).print(f"parity: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return BROKEN
    return PASS if passed else FAILURE


def write_json(result: Any, path: Path | None) -> None:
    """Write a result where `--json` says, whole or not at all. NaN, which JSON has not, becomes null."""
    if path is None:
        return
    text = json.dumps(nan_to_none(result), indent=1, allow_nan=False)
    if path == Path("-"):
        print(text)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        try:
            partial.write_text(text + "\n")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # `.` and `/` have no name to write to
        raise InputError(f"{path}: cannot be written ({error}); name another file with --json") from error


def nan_to_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


if __name__ == "__main__":
    sys.exit(main())
