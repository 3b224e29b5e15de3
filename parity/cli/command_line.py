"""The command line: `parity verify`, `prove`, `record`, `capture`, `compare`, `bisect`, `report`, `history`, ...

Exit codes: 0 pass, 1 parity failure, 2 wrong use or broken input.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from parity.base.errors import InputError
from parity.base.jsonfile import write_json
from parity.cli import commands
from parity.contract import FULL

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

    def add_history(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--history", type=Path, metavar="STORE", help="append to this history and show its trends")

    verify = add("verify", commands.verify, "run both sides and judge every tap")
    add_run_options(verify)
    verify.add_argument("--precision", default=FULL.name, help="of the candidate, one of the contract's (%(default)s)")
    verify.add_argument("--report", type=Path, metavar="DIR", help="write the report to look at there: index.html")

    add_history(verify)
    text = "give figures even where float32 is not float32; they are no verdict"
    verify.add_argument("--informative", action="store_true", help=text)
    verify.add_argument("--recording", type=Path, metavar="DIR", help="judge against a reference that `record` ran")
    text = "prove the mathematics alone: both sides in double, no device, the same on every machine"
    verify.add_argument("--exact", action="store_true", help=text)
    text = "with --exact: run every block on the reference's own inputs as well, also where the free run is equal"
    verify.add_argument("--teacher-forced", action="store_true", help=text)
    text = "judge the device alone, by a proof of the same code, checkpoint, case and contract"
    verify.add_argument("--device-only", action="store_true", help=text)
    text = "what `verify --exact --json` wrote, for --device-only"
    verify.add_argument("--proof", type=Path, metavar="FILE", help=text)
    text = "fail what is beyond the contract's bounds, even by rounding alone"
    verify.add_argument("--strict", action="store_true", help=text)

    record = add("record", commands.record, "run the reference and store what verifying a candidate elsewhere needs")
    add_run_options(record)
    record.add_argument("--out", type=Path, required=True, help="folder to write; it must not exist")

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
    report = add("report", commands.report, "make one report to look at of the results of earlier runs")
    report.add_argument("results", type=Path, nargs="+", help="files of `verify --json`, or folders of them")
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for index.html and its data")
    report.add_argument("--audit", type=Path, nargs="*", default=[], help="JSON of audits of weights")
    report.add_argument("--benchmarks", type=Path, nargs="*", default=[], help="JSON of pytest-benchmark")

    add_history(report)

    history = add("history", commands.history, "append results to a history; show its trends and what has drifted")
    history.add_argument("store", type=Path, help="SQLite file; made when it is not there")
    history.add_argument("--add", type=Path, nargs="*", default=[], metavar="RESULT", help="files of `verify --json`")
    history.add_argument("--tap", help="show the ratios of this tap, with its branch: decoder[step=4,cond]")

    status = add("status", commands.status, "write a page that says what results verify, and what is not verified")
    status.add_argument("results", type=Path, nargs="+", help="files of `verify --json`, or folders of them")
    status.add_argument("--out", type=Path, required=True, metavar="FILE", help="Markdown to write")
    status.add_argument("--contract", type=Path, default=DEFAULT_CONTRACT, help="contract file (%(default)s)")

    prove = add("prove", commands.prove, "prove that a port computes what a PyTorch model computes, in double")
    prove.add_argument("reference", metavar="MODULE:reference", help="torch module, function, or factory of one")
    prove.add_argument("port", metavar="PORT", help="a .mlxfn file, or MODULE:candidate of the same in MLX")
    text = "inputs by the reference's arguments; again for another length"
    prove.add_argument("--inputs", type=Path, action="append", required=True, metavar="NPZ", help=text)
    text = "order of the port's axes, as 'x: b c t -> b t c'; tried by shape when left out"
    prove.add_argument("--axes", action="append", default=[], metavar="AXES", help=text)
    text = "how the port's program is found (its graph, else the stand-in)"
    prove.add_argument("--source", choices=("graph", "standin"), help=text)

    inspect = add("inspect", commands.inspect, "say what an NPY file or a golden folder holds")
    inspect.add_argument("path", type=Path)

    add("doctor", commands.doctor, "print versions, devices and the precision probe; fail when float32 is not float32")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    options.line = shlex.join(["parity", *arguments])
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


if __name__ == "__main__":
    sys.exit(main())
