"""What a help text loads: no library, so that a mistyped option is answered at once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from parity.cli import command_line, usage
from parity.contract import FULL
from tests.docs.options import commands
from tests.meta.conftest import ROOT

PROGRAM = """
import json, runpy, sys
sys.argv = json.loads(sys.argv[1])
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as ended:
    print(json.dumps([ended.code, sorted(sys.modules)]))
"""
FRAMEWORKS = {"torch", "mlx", "mlx.core"}


def loaded(line: list[str]) -> set[str]:
    """The modules that were loaded when a command has ended well."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(line)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert not code, done.stderr
    return set(modules)


@pytest.mark.parametrize("line", ["--help", "verify --help", "mutate --help", "demo --help", "--version"])
def test_a_help_text_of_the_engine_loads_no_library_and_no_command(line):
    modules = loaded(["parity", *line.split()])
    assert not modules & {"numpy", "scipy", "rich", *FRAMEWORKS}
    engine = {name for name in modules if name.startswith("parity.")}
    assert not {name for name in engine if not name.startswith(("parity.base.", "parity.cli."))} - {
        "parity.base",
        "parity.cli",
    }
    assert not engine & {f"parity.cli.{home}" for home in ("commands", *usage.HOMES.values())}


@pytest.mark.parametrize("side", ["reference", "mlx_impl"])
@pytest.mark.parametrize("line", ["--help", "speak --help", "convert-voice --help"])
def test_a_help_text_of_a_side_loads_no_framework_and_no_scipy(side, line):
    assert not loaded([side, *line.split()]) & {"scipy", *FRAMEWORKS}


def test_what_a_command_needs_is_seen_where_it_is_loaded():
    modules = loaded(["parity", "cases", "--quiet"])
    assert modules >= {"numpy", "rich", "parity.cli.names"}
    assert "parity.cli.commands" not in modules


def test_results_are_read_without_the_exact_engine():
    program = "import sys, parity.show.results; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "parity.base.seal" in modules
    assert not modules & {"parity.run.certificate", "parity.run.adoption", "parity.run.exact", "scipy"}


def test_every_command_has_a_function_where_the_table_says():
    assert all(callable(usage.function(name)) for name in commands())
    assert usage.HOMES.keys() <= commands().keys() == usage.EXAMPLES.keys()


def test_the_precision_that_is_written_out_is_the_engines():
    assert FULL.name == command_line.FLOAT32
