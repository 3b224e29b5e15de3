"""`python -m mlx_impl convert` and `audit`: checkpoint files from one naming to another, and what is wrong with one."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mlx_impl.convert.audit import Audit, audit
from mlx_impl.convert.conversion import Request, convert
from mlx_impl.convert.encoding import BITS
from mlx_impl.weights.stored.foreign import Quantization
from mlx_impl.weights.stored.mapping import SCHEMES
from parity.base.arguments import Parser
from parity.base.errors import InputError
from parity.base.files import JSON, STANDARD_OUTPUT, try_outputs
from parity.base.gate import FAILURE, PASS, guarded
from parity.base.jsonfile import write_json
from spec.files.safetensors_file import DTYPES

SHOWN = 20  # problems of a kind; all are in the JSON report
T3 = "which T3 of the directory, by its file's name or the end of it: t3_cfg, v2, v3"
EXAMPLES = """\
  convert CHECKPOINT OUT --quantize 4                         T3's linear layers in 4 bits
  convert CHECKPOINT OUT --target mlx-community --t3 t3_cfg   one file for mlx-audio, with the English T3
  convert mlx-community/Chatterbox-TTS-fp16 OUT               a port's file for this side; it has no tokenizer
  convert OUT BACK --target upstream                          what upstream and `python -m reference` read
SRC is a directory as published, or one of its files. Every file of it is used, said to be unneeded, or refused;
then nothing is written. `audit OUT --against CHECKPOINT` checks the result."""
EXAMPLE = "python -m mlx_impl convert checkpoint converted --dtype bfloat16"


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="python -m mlx_impl")
    commands = top.add_subparsers(dest="command", required=True)
    text = "write a checkpoint in another naming, layout or dtype"
    converts = commands.add_parser("convert", help=text, description=text, epilog=EXAMPLES, example=EXAMPLE)
    converts.add_argument("source", type=Path, metavar="SRC", help="checkpoint directory or file, of any naming")
    converts.add_argument("out", type=Path, metavar="OUT", help="directory or file to write; nothing is replaced")
    converts.add_argument("--dtype", choices=DTYPES, default="float32", help="of the weights (%(default)s)")
    converts.add_argument("--target", choices=SCHEMES, default="mlx", help="naming and layout (%(default)s)")
    converts.add_argument("--quantize", type=int, choices=BITS, help="bits of T3's linear layers")
    converts.add_argument("--t3", metavar="NAME", help=T3)
    text = "say everything that is wrong with a checkpoint file"
    example = "python -m mlx_impl audit converted/s3gen.safetensors --against checkpoint"
    audits = commands.add_parser("audit", help=text, description=text, example=example)
    audits.add_argument("file", type=Path, metavar="FILE", help="file, or directory of them")
    audits.add_argument("--against", type=Path, metavar="SRC", help="what it was converted from: file or directory")
    audits.add_argument("--t3", metavar="NAME", help=T3)
    audits.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON; - for standard output")
    for each in (converts, audits):
        each.add_argument("--debug", action="store_true", help="show where an error that ends the command was raised")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns 0, 1 where `audit` finds something, 2 for wrong use or broken input, 130 interrupted."""
    options = parser().parse_args(arguments)
    command = {"convert": run_convert, "audit": run_audit}[options.command]
    as_json = getattr(options, "json", None) == STANDARD_OUTPUT
    return guarded("mlx_impl", lambda: command(options), options.debug, (InputError, ValueError), as_json)


def run_convert(options: argparse.Namespace) -> int:
    quantization = None if options.quantize is None else Quantization(options.quantize)
    request = Request(SCHEMES[options.target], options.dtype, quantization, options.t3)
    for file in convert(options.source, options.out, request, progress(), print):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    return PASS


def run_audit(options: argparse.Namespace) -> int:
    if options.json is not None:
        try_outputs([(options.json, JSON)], filter(None, (options.file, options.against)))
    report = audit(options.file, options.against, progress(), options.t3)
    if options.json != STANDARD_OUTPUT:
        show(report)
    write_json(report.as_dict(), options.json)
    return PASS if report.passed else FAILURE


def show(report: Audit) -> None:
    """The report as a plain table."""
    if report.naming:
        compared = f", {report.compared} compared with their source" if report.compared else ""
        about = f"naming {report.naming}, layout {report.layout}, weights {report.dtype}"
        print(f"{report.file}: {report.tensors} tensors, {about}{compared}")
    else:
        print(f"{report.file}: not a whole safetensors file")
    counts = Counter(problem.kind for problem in report.problems)
    width = max(map(len, counts), default=0)
    for kind, count in counts.items():
        for problem in [problem for problem in report.problems if problem.kind == kind][:SHOWN]:
            print(f"  {kind:{width}}  {problem.text}")
        if count > SHOWN:
            print(f"  {kind:{width}}  ... and {count - SHOWN} more, all in the JSON report")
    print("PASS nothing is wrong" if report.passed else f"FAIL {len(report.problems)} problems")


def progress() -> Callable[[str, int, int], None]:
    """Says on standard error how far each task is, a line for each tenth; in a terminal, one line that changes."""
    last: dict[str, int] = {}

    def say(what: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 10
        if last.get(what) != tenth:
            last[what] = tenth
            end = "\r" if sys.stderr.isatty() and tenth < 10 else "\n"
            print(f"{what}: {10 * tenth} % of {total / 1e6:.0f} MB", end=end, file=sys.stderr, flush=True)

    return say
