"""parity.cli: a command that ends early says why in one sentence, with the exit code 2 or 130, and never 1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from parity.cli import main
from parity.show.history import History
from tests.meta import toy
from tests.meta.test_history import result

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(toy.__file__).with_name("contract.toml")
SIDES = """
class Side:
    def __init__(self, checkpoint, options, dtype):
        pass

    def root(self, segment):
        {root}

    def run(self, segment, index, state, observe):
        raise RuntimeError("never reached")
"""


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """The toy's contract in a folder of its own, with a reference from the file beside it."""
    text = TOY.read_text().replace("tests.meta.toy:torch_reference", "own_sides:Side")
    (tmp_path / "contract.toml").write_text(text)
    return tmp_path / "contract.toml"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])
    monkeypatch.chdir(tmp_path)
    checkpoint = toy.write_checkpoint(tmp_path / "weights")

    def command(*arguments: object) -> int:
        sys.modules.pop("own_sides", None)
        return main(["verify", "--checkpoint", str(checkpoint), *map(str, arguments)])

    return command


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SIDES.format(root='raise TypeError("out of luck")'), "TypeError: out of luck at "),
        (SIDES.format(root="return None"), "has no attribute"),
        (SIDES.format(root="raise SystemExit(0)"), "was ended by sys.exit(0) at "),
        (SIDES.format(root="raise MemoryError"), "MemoryError at "),
        (SIDES.format(root='raise ValueError("one line\\nand another")'), "one line and another"),
        ("def broken(:\n", "SyntaxError: "),
    ],
)
def test_a_crash_of_a_users_code_is_no_parity_failure(contract, run, capsys, source, said):
    (contract.parent / "own_sides.py").write_text(source)
    assert run("--contract", contract, "--exact") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("parity: ")
    assert said in line


def test_debug_shows_where(contract, run, capsys):
    (contract.parent / "own_sides.py").write_text(SIDES.format(root='raise TypeError("out of luck")'))
    assert run("--contract", contract, "--exact", "--debug") == 2
    said = capsys.readouterr().err.splitlines()
    assert "Traceback (most recent call last):" in said
    assert said[-2] == "TypeError: out of luck"
    assert said[-1].startswith("parity: TypeError: out of luck at ")


def test_what_a_contract_names_is_found_from_its_folder(contract, run, capsys):
    assert run("--contract", contract) == 2
    said = capsys.readouterr().err
    assert "'own_sides:Side': cannot be loaded (No module named 'own_sides')" in said
    assert "found from the contract's folder" in said


def test_a_package_that_is_not_installed_is_named(contract, run, capsys):
    (contract.parent / "own_sides.py").write_text("import a_framework_of_this_name\n")
    assert run("--contract", contract) == 2
    assert "install a_framework_of_this_name" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_said(run, capsys):
    assert main(["record", "--contract", str(TOY), "--out", "/proc/nothing"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_interrupt_ends_in_one_line():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (130, "parity: interrupted")


INTERRUPTED = """
import sys
from parity.cli import commands, main
def interrupted(options, console):
    raise KeyboardInterrupt
commands.doctor = interrupted
sys.exit(main(["doctor"]))
"""
BARE = """
import sys
sys.modules["torch"] = sys.modules["mlx"] = None
from parity.cli import main
sys.exit(main(["doctor"]))
"""


def test_a_closed_pipe_ends_in_one_line():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "parity", "inspect", str(ROOT / "fixtures" / "golden" / "tiny"), "--json", "-"]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1:] == ["parity: the output was closed before it ended"]


def test_doctor_says_what_is_not_installed(tmp_path):
    done = subprocess.run([sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "not installed: pip install torch" in done.stdout
    assert "not installed: pip install mlx" in done.stdout


def test_a_history_that_is_not_there_is_not_made(tmp_path, capsys):
    assert main(["history", str(tmp_path / "mistyped.sqlite")]) == 2
    assert "no such history" in capsys.readouterr().err
    assert not (tmp_path / "mistyped.sqlite").exists()


def test_a_tap_that_no_run_has_is_an_error_with_the_nearest(tmp_path, capsys):
    store = History(tmp_path / "history.sqlite")
    store.add(result(1))
    assert main(["history", str(store.path), "--tap", "x[step=11]"]) == 2
    assert "no run has the tap 'x[step=11]'; is x[step=1], " in capsys.readouterr().err
    assert main(["history", str(store.path), "--tap", "x[step=1]"]) == 0


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("parity ")
