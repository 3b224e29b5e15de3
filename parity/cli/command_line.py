"""The command line: `parity verify`, `prove`, `record`, `capture`, `compare`, `bisect`, `report`, `history`, ...

What a command needs is loaded when it is known that it runs: a help text, a completion and an error of usage need none.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from parity.base.arguments import Parser
from parity.base.files import STANDARD_OUTPUT
from parity.base.gate import FAILURE, PASS, guarded
from parity.base.jsonfile import write_json
from parity.cli.faults import FAULT_HELP, TRAINED_HELP
from parity.cli.kinds import ANY, COMPARISON, FOLDER, JSON, PAGE, SQLITE, SURVEY, ZIP
from parity.cli.mutate_options import add_options as add_mutate_options
from parity.cli.usage import DEFAULT_CONTRACT, EXAMPLES, complete, function

FLOAT32 = "float32"  # as `parity.contract.FULL` is named, which NumPy would come with
LOG_WIDTH = 120  # of a log that is no terminal; 80 columns cut the names of the taps


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(prog="parity", description="Prove block by block that two implementations compute the same.")
    top.add_argument("--version", action=_Version)
    subparsers = top.add_subparsers(dest="command", required=True)

    def add(name: str, text: str, **writes: bytes | None) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=text, description=text, example=EXAMPLES[name])
        sub.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON; - for standard output")
        sub.add_argument("--debug", action="store_true", help="show where an error that ends the command was raised")
        sub.add_argument("-q", "--quiet", action="store_true", help="print errors alone; the exit code is the answer")
        sub.set_defaults(writes={"json": JSON} | writes)
        return sub

    def add_contract(sub: argparse._ActionsContainer) -> None:
        text = "contract file (%(default)s)"
        sub.add_argument("--contract", type=Path, metavar="FILE", default=DEFAULT_CONTRACT, help=text)

    def add_case(sub: argparse.ArgumentParser) -> None:
        add_contract(sub)
        sub.add_argument("--case", metavar="NAME", default="tiny", help="case of the contract's provider (%(default)s)")

    def add_run_options(sub: argparse.ArgumentParser) -> None:
        add_case(sub)
        text = "checkpoint directory (the contract makes one when left out)"
        sub.add_argument("--checkpoint", type=Path, metavar="DIR", help=text)

    def add_verbose(sub: argparse._ActionsContainer) -> None:
        sub.add_argument("-v", "--verbose", action="store_true", help="print every failure, not the first 20 alone")

    def add_source(sub: argparse._ActionsContainer) -> None:
        text = "how the port's program is found (by its graph, else on the stand-in)"
        sub.add_argument("--source", choices=("graph", "standin", "torch"), help=text)

    def add_models(sub: argparse._ActionsContainer, required: bool) -> None:
        text = "inputs, named as the reference's arguments; give the option again for another length"
        sub.add_argument("--inputs", type=Path, action="append", required=required, metavar="NPZ", help=text)
        text = "order of the port's axes, as 'x: b c t -> b t c'; tried by shape when left out"
        sub.add_argument("--axes", action="append", default=[], metavar="AXES", help=text)
        text = "method to call, or MODULE:function of a model and its arrays; twice: the reference's, the port's"
        sub.add_argument("--call", action="append", default=[], metavar="NAME", help=text)
        text = "input that stands for what a random call of both sides gives; again for the next call"
        sub.add_argument("--draws", action="append", default=[], metavar="NAME", help=text)
        add_source(sub)

    def add_history(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--history", type=Path, metavar="STORE", help="append to this history and show its trends")

    text = "judge a small model and its port, which the package carries, as they are or with a fault planted"
    shown_first = add("demo", text, out=FOLDER)
    shown_first.add_argument("--fault", type=int, metavar="N", help=FAULT_HELP)
    shown_first.add_argument("--trained", type=Path, metavar="FOLDER", help=TRAINED_HELP)
    text = "keep the pair and its inputs in this folder, which must not exist"
    shown_first.add_argument("-o", "--out", type=Path, metavar="DIR", help=text)

    verify = add("verify", "run both sides and judge every tap", report=PAGE, history=SQLITE)
    add_run_options(verify)
    text = "what the candidate computes in, one of the contract's precisions (%(default)s)"
    verify.add_argument("--precision", metavar="NAME", default=FLOAT32, help=text)
    verify.add_argument("--report", type=Path, metavar="DIR", help="write the report to look at there: index.html")

    add_history(verify)
    text = "give figures even where float32 is not float32; the run is no verdict"
    verify.add_argument("--informative", action="store_true", help=text)
    verify.add_argument("--recording", type=Path, metavar="DIR", help="judge against a reference that `record` ran")
    text = "prove the mathematics alone: both sides in double, no device, the same on every machine"
    verify.add_argument("--exact", action="store_true", help=text)
    text = "with --exact: run every block on the reference's own inputs as well, also where the free run is equal"
    verify.add_argument("--teacher-forced", action="store_true", help=text)
    text = "with --exact: the device whose way through the port is proven: gpu, as Metal is (the default), or cpu"
    verify.add_argument("--device", choices=("gpu", "cpu"), help=text)
    text = "judge the device alone, by a proof of the same code, checkpoint, case and contract"
    verify.add_argument("--device-only", action="store_true", help=text)
    text = "what `verify --exact --json` wrote, for --device-only"
    verify.add_argument("--proof", type=Path, metavar="FILE", help=text)
    add_verbose(verify)
    text = "print each limit, condition, length and function of the candidate that the case did not exercise"
    verify.add_argument("--exercise", action="store_true", help=text)
    text = "fail what is beyond the contract's bounds, even by rounding alone"
    verify.add_argument("--strict", action="store_true", help=text)

    record = add("record", "run the reference and store what verifying a candidate elsewhere needs", out=FOLDER)
    add_run_options(record)
    record.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder to write; it must not exist")

    text = "audit and convert a published checkpoint, verify both sides on it, and certify what came of it"
    adopts = add("adopt", text, out=FOLDER)
    adopts.add_argument("checkpoint", type=Path, metavar="DIR", help="checkpoint directory as published; only read")
    text = "folder to write: certificate.json, report/ and weights/, the converted files; it must not exist"
    adopts.add_argument("-o", "--out", type=Path, metavar="OUT", required=True, help=text)
    text = "case of the contract's provider; again for another (those that the contract names)"
    adopts.add_argument("--case", metavar="NAME", action="append", default=[], help=text)
    add_contract(adopts)

    capture = add("capture", "run one side and store its trace as NPY files with a manifest", out=FOLDER)
    add_run_options(capture)
    capture.add_argument("--side", metavar="NAME", default="reference", help="a side of the contract (%(default)s)")
    capture.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder to write; it must not exist")
    capture.add_argument("--floors", action="store_true", help="store noise floors too (runs the reference in float64)")
    text = "store the trace in float64 too, and noise floors: dumps have a ratio64 then"
    capture.add_argument("--float64", action="store_true", help=text)

    text = "store the inputs and the reference's trace as a bundle, which a port in any language can read"
    export = add("export", text, out=FOLDER)
    add_run_options(export)
    export.add_argument(
        "-o", "--out", type=Path, metavar="DIR", required=True, help="folder to write; it must not exist"
    )
    text = "store the trace in float64 too: dumps have a ratio64 then"
    export.add_argument("--float64", action="store_true", help=text)
    text = "whose order the axes have (%(default)s)"
    export.add_argument("--axes", choices=("reference", "candidate"), default="reference", help=text)

    text = "compare two models that nobody prepared, or dumps with a bundle"
    compare = add("compare", text, report=COMPARISON)
    text = "MODULE:name of a torch module, function or factory of one; or a bundle: a golden folder with noise floors"
    compare.add_argument("reference", metavar="REFERENCE", help=text)
    text = "MODULE:name of the same in MLX or PyTorch, or a .mlxfn file; or dumps: NPY files, or one safetensors file"
    compare.add_argument("candidate", metavar="CANDIDATE", help=text)
    models, dumps = compare.add_argument_group("two models"), compare.add_argument_group("dumps")
    add_models(models, required=False)
    models.add_argument("--exact", action="store_true", help="the mathematics alone, without the device")
    text = "fail what is beyond two noise floors, even by rounding alone"
    models.add_argument("--strict", action="store_true", help=text)
    text = "write index.html, comparison.json and junit.xml there"
    models.add_argument("--report", type=Path, metavar="DIR", help=text)
    text = f"contract file (the bundle's own, or {DEFAULT_CONTRACT})"
    dumps.add_argument("--contract", type=Path, metavar="FILE", help=text)
    text = "whose axis order the dumps have (that of the bundle)"
    dumps.add_argument("--layout", choices=("reference", "candidate"), default="", help=text)
    text = 'TOML or JSON that translates a port\'s names: "layers.*.out" = "encoder.layers.*"'
    dumps.add_argument("--map", type=Path, metavar="FILE", help=text)
    text = "judge the taps that were dumped and leave the others out, instead of failing them"
    dumps.add_argument("--allow-missing", action="store_true", help=text)
    text = "judge the taps that match a pattern alone: 'encoder.*'"
    dumps.add_argument("--only", metavar="PATTERN", default="*", help=text)
    dumps.add_argument("--stage", metavar="NAME", default="", help="judge the taps of a stage alone")
    text = "the reference's checkpoint: a diagnosis then computes blocks again by its weights"
    dumps.add_argument("--checkpoint", type=Path, metavar="DIR", help=text)
    text = "local errors alone: of local/ among the dumps, or of all: each block was given the bundle's values"
    dumps.add_argument("--local", action="store_true", help=text)
    add_verbose(dumps)

    bisect = add("bisect", "search for the tap that makes a stage wrong, with few partial runs", state=JSON)
    add_run_options(bisect)
    bisect.add_argument("--stage", metavar="NAME", default="", help="stage to search in (the whole case when left out)")
    text = "tap whose error is followed (the last tap of numbers in the stage)"
    bisect.add_argument("--end", metavar="TAP", default="", help=text)
    text = "file that keeps each probe, so that a search can go on or be shown again"
    bisect.add_argument("--state", type=Path, metavar="FILE", help=text)
    bisect.add_argument("--golden", type=Path, metavar="DIR", help="search in dumps: golden folder with noise floors")
    text = "search in dumps: folder of the candidate's NPY files, named by tap"
    bisect.add_argument("--dumps", type=Path, metavar="DIR", help=text)
    bisect.add_argument("--layout", choices=("reference", "candidate"), default="", help="axis order of dumps")
    report = add("report", "make one report to look at of the results of earlier runs", out=PAGE, history=SQLITE)
    report.add_argument(
        "results", type=Path, nargs="+", metavar="RESULT", help="files of `verify --json`, or folders of them"
    )
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for index.html and its data")
    report.add_argument("--audit", type=Path, metavar="FILE", nargs="*", default=[], help="JSON of audits of weights")
    text = "JSON of pytest-benchmark or of `python -m tests.bench`"
    report.add_argument("--benchmarks", type=Path, metavar="FILE", nargs="*", default=[], help=text)

    add_history(report)

    history = add("history", "append results to a history; show its trends and what has drifted", store=SQLITE)
    history.add_argument("store", type=Path, metavar="STORE", help="SQLite file; made when it is not there")
    history.add_argument("--add", type=Path, nargs="*", default=[], metavar="RESULT", help="files of `verify --json`")
    history.add_argument(
        "--tap", metavar="TAP", help="show the ratios of this tap, with its branch: decoder[step=4,cond]"
    )
    text = "exit with 1 where a ratio has drifted, or the newest run of a case failed"
    history.add_argument("--check", action="store_true", help=text)

    diff = add("diff", "compare two results of one case: what turned and what moved")
    diff.add_argument("old", type=Path, metavar="OLD", help="file of `verify --json`")
    diff.add_argument("new", type=Path, metavar="NEW", help="file of `verify --json`, of the same case")

    status = add("status", "write a page that says what results verify, and what is not verified", out=ANY)
    status.add_argument(
        "results",
        type=Path,
        nargs="+",
        metavar="RESULT",
        help="files of `verify --json`, certificates of `adopt`, or folders of them",
    )
    status.add_argument("--out", type=Path, required=True, metavar="FILE", help="Markdown to write")
    add_contract(status)

    text = "files of `parity exercise` or `verify --exact`: what their cases do not exercise stands on the page as well"
    status.add_argument("--exercise", type=Path, nargs="*", default=[], metavar="RESULT", help=text)

    idle = add("exercise", "say what of the candidate several cases do not exercise between them")
    text = "files of `verify --json`, with --exact or without, or folders of them"
    idle.add_argument("results", type=Path, nargs="*", default=[], metavar="RESULT", help=text)
    add_contract(idle)
    text = "run the cases of this pattern in double, 'tiny*'; again for another"
    idle.add_argument("--case", action="append", default=[], metavar="PATTERN", help=text)

    prove = add("prove", "compare --exact: prove in double that a port computes what a model computes")
    prove.add_argument("reference", metavar="MODULE:reference", help="torch module, function, or factory of one")
    prove.add_argument("candidate", metavar="PORT", help="a .mlxfn file, or MODULE:candidate of the same in MLX")
    add_models(prove, required=True)

    text = "write a departure of a port as one zip for an issue, with scripts that show it without this project"
    shown = add("repro", text, out=ZIP)
    shown.add_argument("reference", metavar="MODULE:reference", help="torch module, function, or factory of one")
    shown.add_argument("candidate", metavar="PORT", help="a .mlxfn file, or MODULE:candidate of the same in MLX")
    add_models(shown, required=True)
    text = "which of the departures that `parity compare` prints (%(default)s)"
    shown.add_argument("--departure", type=int, default=1, metavar="N", help=text)
    shown.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="zip to write")
    shown.add_argument("--overwrite", action="store_true", help="replace a zip that is there")

    text = "match two models that nobody prepared, and write what was found as a contract"
    found = add("discover", text, out=FOLDER)
    found.add_argument("reference", metavar="MODULE:reference", help="torch module, or what makes one")
    found.add_argument("candidate", metavar="MODULE:candidate", help="the same in MLX or PyTorch, or a part of it")
    text = "inputs, named as the reference's arguments; give the option again for another length: each is a case"
    found.add_argument("--inputs", type=Path, action="append", required=True, metavar="NPZ", help=text)
    add_source(found)
    text = "folder for contract.toml, discovered_sides.py and the inputs"
    found.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help=text)
    text = "replace what an earlier search has written there"
    found.add_argument("--overwrite", action="store_true", help=text)

    text = "change a candidate's source one place at a time, and say which changes the cases notice"
    changed = add("mutate", text, report=SURVEY)
    add_contract(changed)
    add_mutate_options(changed)

    add_contract(add("cases", "list the cases of a contract"))
    stages = add("stages", "list the stages of a case, with how many taps each has")
    taps = add("taps", "list the taps of a case, with their axes and stages")
    for sub in (stages, taps):
        add_case(sub)
    taps.add_argument("--stage", metavar="NAME", default="", help="those of this stage alone")

    inspect = add("inspect", "say what an NPY file or a golden folder holds")
    inspect.add_argument("path", type=Path, metavar="PATH", help="NPY file or golden folder")

    add("doctor", "print versions, devices and the precision probe; fail when float32 is not float32")
    return top


def version() -> str:
    """The installed version; a checkout that is not installed has none."""
    from importlib import metadata

    try:
        return metadata.version("chatterbox-parity")
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


class _Version(argparse.Action):
    """`--version`, which is looked up when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str):
        super().__init__(option_strings, dest, nargs=0, help="show program's version number and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"parity {version()}")
        parser.exit()


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    top = parser()
    sys.path.insert(0, os.getcwd())
    complete(top)
    options = top.parse_args(arguments)
    options.line = shlex.join(["parity", *arguments])
    if contract := getattr(options, "contract", None):
        from parity.contract.implementation import importable

        sys.path.insert(0, str(importable(contract)))
    as_json = options.json == STANDARD_OUTPUT
    return guarded("parity", lambda: command(options), options.debug, as_json=as_json)


def command(options: argparse.Namespace) -> int:
    """Try the places to write, do what is asked, and write the result there, what others may need first."""
    from rich.console import Console

    from parity.cli.places import require_places

    console = Console(stderr=options.json == STANDARD_OUTPUT, quiet=options.quiet)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = LOG_WIDTH
    require_places(options)
    # What a user's model prints is not part of a result that goes to standard output.
    with redirect_stdout(sys.stderr) if options.json == STANDARD_OUTPUT else nullcontext():
        passed, result = function(options.command)(options, console)
    write_json(result, options.json)
    if options.command == "verify":
        from parity.cli import commands

        commands.publish(options, result)
    return PASS if passed else FAILURE
