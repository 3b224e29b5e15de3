"""parity.base.errors: every error that ends a command has a code, which docs/faults.md explains."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from parity.base.errors import CODES, InputError, PrecisionError, code_of
from parity.base.gate import guarded
from parity.cli import main
from parity.exact.program import NoProgram
from tests.meta.conftest import ROOT, TOY

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "schemas" / "error.json").read_text()))
LINES = [
    ("verify --jsn x", "usage.arguments"),
    ("cmpare a b", "usage.arguments"),
    ("verify --contract {toy} --strict --informative", "usage.options"),
    ("demo --fault 7", "usage.options"),
    ("verify --contract {toy} --case tinny", "usage.unknown-name"),
    ("taps --contract {toy} --stage none", "usage.unknown-name"),
    ("verify --contract none.toml", "input.missing"),
    ("compare none dumps --contract {toy}", "input.missing"),
    ("compare m:r m:c --inputs none.npz", "input.missing"),
    ("report none.json --out site", "input.missing"),
    ("inspect broken.npy", "input.unusable"),
    ("diff broken.json broken.json", "input.unusable"),
    ("verify --contract broken.toml", "contract.unusable"),
    ("cases --contract broken.toml", "contract.unusable"),
    ("cases --contract {toy} --json broken.npy/x.json", "output.unwritable"),
    ("cases --contract {toy} --json x.npz", "output.unwritable"),
    ("compare no_module_of_this_name:r m:c --inputs x.npz", "install.missing-module"),
]
"""Commands, and the code that each ends with."""
RAISED = [
    (PrecisionError("x"), "device.imprecise"),
    (NoProgram("x"), "model.no-program"),
    (BrokenPipeError(), "output.closed"),
    (OSError(28, "No space left on device"), "system.file"),
    (MemoryError(), "system.memory"),
    (KeyboardInterrupt(), "interrupted"),
    (ValueError("x"), "crash"),
    (SystemExit(0), "crash"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("broken.npy", "broken.json", "broken.toml"):
        Path(name).write_text("{")
    np.savez("x.npz", x=1.0)


def ended(line: str) -> int:
    try:
        return main(line.format(toy=TOY).split())
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(("line", "code"), LINES)
def test_a_sentence_ends_with_its_code(place, capsys, line, code):
    assert ended(line) == 2
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].endswith(f" [{code}]")
    assert said.out == ""


@pytest.mark.parametrize(("line", "code"), [(line, code) for line, code in LINES if "--json" not in line])
def test_with_json_to_standard_output_the_error_is_there_instead(place, capsys, line, code):
    assert ended(f"{line} --json -") == 2
    said = capsys.readouterr()
    found = json.loads(said.out)
    SCHEMA.validate(found)
    assert (found["error"]["code"], found["error"]["exit_code"]) == (code, 2)
    assert f"{found['error']['message']} [{code}]" in said.err


@pytest.mark.parametrize(("error", "code"), RAISED)
def test_what_ends_a_command_amid_its_work_has_one_too(capsys, error, code):
    def command() -> int:
        raise error

    exit_code = 130 if code == "interrupted" else 2
    assert guarded("parity", command, as_json=True) == exit_code
    said = capsys.readouterr()
    SCHEMA.validate(json.loads(said.out))
    assert json.loads(said.out)["error"] | {"message": ""} == {"code": code, "exit_code": exit_code, "message": ""}
    assert said.err.endswith(f" [{code}]\n")


def test_a_text_that_a_program_says_of_its_input_is_no_crash(capsys):
    def command() -> int:
        raise ValueError("no such voice")

    assert guarded("speak", command, says=(InputError, ValueError)) == 2
    assert capsys.readouterr().err == "speak: no such voice [input.unusable]\n"


def test_an_error_raised_of_another_keeps_what_that_one_says_more():
    for inner, code in ((NoProgram("x"), "model.no-program"), (KeyError("x"), "input.unusable")):
        outer = InputError("x")
        outer.__cause__ = inner
        assert code_of(outer) == code


def test_every_code_is_shown_here_and_explained_on_the_page():
    page = (ROOT / "docs" / "faults.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 3]
    assert rows == [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]
    assert {code for _, code in LINES + RAISED} == set(CODES)


def kinds(kind: type[InputError] = InputError) -> set[type[InputError]]:
    return {kind}.union(*(kinds(each) for each in kind.__subclasses__()))


def test_every_kind_of_error_has_a_code_of_the_table():
    assert {kind.code for kind in kinds() if kind.__module__.startswith("parity.")} <= set(CODES)
