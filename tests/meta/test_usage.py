"""parity.base.arguments and parity.cli.usage: help, errors of usage, quiet and verbose, and completion."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

import mlx_impl.synthesis
import reference.synthesis
from parity.base.arguments import EXIT_CODES
from parity.cli import main
from parity.cli.command_line import parser
from parity.cli.usage import EXAMPLES
from tests.docs.markdown import blocks, pages
from tests.docs.options import commands
from tests.meta.conftest import ROOT, TOY

PROGRAMS = [
    *(("parity", name) for name in commands()),
    ("reference", "speak"),
    ("reference", "convert-voice"),
    ("mlx_impl", "speak"),
    ("mlx_impl", "convert-voice"),
    ("mlx_impl", "convert"),
    ("mlx_impl", "audit"),
    ("spec.synthetic",),
    ("fixtures.quality",),
]
SHOWN = {line for page in pages() for block in blocks(page.read_text()) for line in block.text.splitlines()}


@pytest.fixture
def run(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda line: main(line.format(toy=f"--contract {TOY}").split())


@pytest.mark.parametrize("name", commands())
def test_help_ends_with_an_example_that_the_pages_have_and_the_exit_codes(name):
    lines = commands()[name].format_help().splitlines()
    assert lines[-2:] == [f"example: {EXAMPLES[name]}", EXIT_CODES]
    parser().parse_args(shlex.split(EXAMPLES[name])[1:])
    assert EXAMPLES[name] in SHOWN


@pytest.mark.parametrize("program", [program for program in PROGRAMS if program[0] != "parity"], ids=" ".join)
def test_so_does_that_of_the_other_programs(program):
    command = [sys.executable, "-m", *program, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    example, codes = done.stdout.splitlines()[-2:]
    assert example.startswith(f"example: python -m {' '.join(program)}")
    assert codes == EXIT_CODES


HELP = """
import runpy, sys
sys.argv = [sys.argv[1], "speak", "--help"]
try:
    runpy.run_module(sys.argv[0], run_name="__main__")
except SystemExit:
    print(sorted({"torch", "mlx.core"} & set(sys.modules)))
"""


@pytest.mark.parametrize("side", [reference.synthesis, mlx_impl.synthesis])
def test_help_loads_no_framework_and_names_the_dtypes_of_the_side(side):
    command = [sys.executable, "-c", HELP, side.__name__.partition(".")[0]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert f"--dtype {{{','.join(side.DTYPES)}}}" in done.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("verfy", "parity: argument command: 'verfy' is not known; is verify meant?; see parity --help"),
        ("verify --precison=half", "parity verify: unrecognized arguments: --precison=half; is --precision meant?; "),
        ("compare a b --layout candidat", "parity compare: argument --layout: 'candidat' is not known; is candidate"),
        ("compare a", "parity compare: the following arguments are required: CANDIDATE; see parity compare --help"),
        ("inspect a b", "parity inspect: unrecognized arguments: b; see parity inspect --help"),
    ],
)
def test_wrong_use_is_one_sentence_with_what_may_be_meant(run, capsys, line, said):
    with pytest.raises(SystemExit) as ended:
        run(line)
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert len(err.splitlines()) == 1


def test_quiet_says_nothing_but_errors_and_the_json(run, capsys):
    assert run("verify {toy} --case gain --quiet") == 1
    assert capsys.readouterr() == ("", "")
    assert run("taps {toy} -q --json -") == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["taps"]) == 24
    assert err == ""
    assert run("verify {toy} --case none -q") == 2
    assert "unknown case" in capsys.readouterr().err


def test_verbose_says_every_failure(run, tmp_path, capsys):
    assert run(f"verify {{toy}} --case gain --json {tmp_path / 'result.json'}") == 1
    more = json.loads((tmp_path / "result.json").read_text())["failures"] - 20
    short = capsys.readouterr().out
    assert f"... and {more} more failures, by --verbose and in the JSON report" in short
    assert run("verify {toy} --case gain -v") == 1
    long = capsys.readouterr().out
    assert "more failures" not in long
    assert long.count("of the reference's RMS") - short.count("of the reference's RMS") == more


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("parity verify --teach", ["--teacher-forced"]),
        (f"parity verify --contract {TOY} --case t", ["tiny", "transposed", "twice"]),
        (f"parity taps --contract {TOY} --stage ", ["prepare", "refine"]),
        (f"parity bisect --contract {TOY} --end m", ["mu", "middle.0.linear\\[step=0\\]"]),
    ],
)
def test_a_shell_completes_commands_options_and_the_contracts_names(tmp_path, line, wanted):
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    answer = {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer")}
    subprocess.run([sys.executable, "-m", "parity"], cwd=ROOT, env=os.environ | asked | answer, check=True)
    words = [word.strip() for word in (tmp_path / "answer").read_text().split("\n")]
    assert words[: len(wanted)] == wanted if len(wanted) > 1 else words == wanted
