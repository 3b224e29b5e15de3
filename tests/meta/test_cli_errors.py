"""parity.cli: a command that ends early says why in one sentence, with the exit code 2 or 130, and never 1."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from parity.cli import main
from parity.show.history import History
from tests.meta import toy
from tests.meta.test_history import report

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(toy.__file__).with_name("contract.toml")
BUFFERED = os.environ | {"PYTHONUNBUFFERED": ""}  # as it is where nobody has asked for another
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
        (SIDES.format(root="raise MemoryError"), "not enough memory at "),
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


CANDIDATE = """
from tests.meta.toy import mlx_candidate


def candidate(checkpoint, options, dtype):
    def run(*_):
        raise {error}

    side = mlx_candidate(checkpoint, options, dtype)
    side.run = run
    return side
"""


@pytest.mark.parametrize(
    ("error", "code"),
    [("ValueError('a fault')", 1), ("MemoryError", 2), ("OSError(28, 'No space left on device')", 2)],
)
@pytest.mark.parametrize("mode", ["--exact", "--informative"])
def test_a_machine_that_fails_a_candidate_is_no_parity_failure(contract, run, capsys, error, code, mode):
    text = TOY.read_text().replace("tests.meta.toy:mlx_candidate", "own_sides:candidate")
    contract.write_text(text)
    (contract.parent / "own_sides.py").write_text(CANDIDATE.format(error=error))
    assert run("--contract", contract, mode) == code
    assert ("parity: " in capsys.readouterr().err) == (code == 2)


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


@pytest.mark.parametrize("package", ["", "own_package"])
def test_a_module_beside_the_contract_is_found_from_any_folder(contract, run, monkeypatch, tmp_path_factory, package):
    folder = contract.parent / package
    folder.mkdir(exist_ok=True)
    (folder / "own_sides.py").write_text("from tests.meta.toy import torch_reference as Side\n")
    if package:
        (folder / "__init__.py").touch()
        text = contract.read_text().replace("own_sides:Side", f"{package}.own_sides:Side")
        (folder / contract.name).write_text(text)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert run("--contract", folder / contract.name) == 0


def test_a_package_that_is_not_installed_is_named(contract, run, capsys):
    (contract.parent / "own_sides.py").write_text("import a_framework_of_this_name\n")
    assert run("--contract", contract) == 2
    assert "install a_framework_of_this_name" in capsys.readouterr().err


def test_a_run_says_how_far_it_is(run, capsys):
    assert run("--contract", TOY, "--informative") == 0
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.endswith(", teacher-forced")][::2] == [
        "1 of 4, prepare: exact, teacher-forced",
        "2 of 4, refine[step=0]: exact, teacher-forced",
        "3 of 4, refine[step=1]: exact, teacher-forced",
        "4 of 4, refine[step=2]: exact, teacher-forced",
    ]


@pytest.mark.parametrize(
    "option", [["--json", "file/x.json"], ["--report", "file"], ["--history", "file/x"], ["--json", "file"]]
)
def test_a_place_is_tried_before_anything_runs(run, capsys, monkeypatch, tmp_path, option):
    def never(*_):
        raise AssertionError("a run whose result would be lost")

    monkeypatch.setattr("parity.cli.commands.verify", never)
    (tmp_path / "file").write_text("not a result")
    assert run("--contract", TOY, *option) == 2
    assert capsys.readouterr().err.startswith("parity: file")
    assert (tmp_path / "file").read_text() == "not a result"


def test_a_report_that_cannot_be_written_loses_no_result(run, capsys, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("parity.show.page.write", full)
    assert run("--contract", TOY, "--informative", "--json", "x.json", "--report", "page") == 2
    assert json.loads((tmp_path / "x.json").read_text())["informative"]


def test_the_contracts_own_checkpoint_is_no_place_to_write(run, capsys, monkeypatch, tmp_path):
    own = toy.write_checkpoint(tmp_path / "own")
    (own / "result.json").write_text("{}")
    monkeypatch.setattr(toy, "checkpoint", lambda case: own)
    assert main(["verify", "--contract", str(TOY), "--json", str(own / "result.json")]) == 2
    assert "is read as well" in capsys.readouterr().err


def test_a_reader_of_the_output_that_ends_is_no_parity_failure(run):
    """As `verify | grep -q`: rich ends the program with 1 when its pipe is closed."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "parity", "inspect", "fixtures/golden/tiny"]
    done = subprocess.run(command, cwd=ROOT, env=BUFFERED, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    said = "parity: the output was closed before it ended [output.closed]"
    assert (done.returncode, done.stderr.strip()) == (2, said)


@pytest.mark.parametrize("stream", ["/dev/full", None])
def test_standard_output_may_hold_nothing(stream):
    """Python would end with 120 where what is left cannot be written as it ends."""
    with open(stream or os.devnull, "w") as out:
        command = [sys.executable, "-m", "parity", "cases", "--contract", str(TOY)]
        closed = None if stream else lambda: os.close(1)
        done = subprocess.run(
            command, cwd=ROOT, env=BUFFERED, stdout=out, stderr=subprocess.PIPE, text=True, preexec_fn=closed
        )
    assert done.returncode == (2 if stream else 0), done.stderr
    assert len(done.stderr.splitlines()) == (1 if stream else 0)


def test_a_text_file_of_another_encoding_is_said(run, capsys, tmp_path):
    (tmp_path / "latin.toml").write_bytes("# é".encode("latin-1"))
    (tmp_path / "latin.json").write_bytes('{"é": 1}'.encode("latin-1"))
    for words in (["verify", "--contract", "latin.toml"], ["report", "latin.json", "--out", "page"]):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("parity: latin.")
        assert "utf-8" in line


def test_the_locale_of_the_terminal_changes_nothing(tmp_path):
    """Files are UTF-8 whatever the locale says, and what it cannot print is replaced, not an error."""
    (tmp_path / "é.toml").write_text(TOY.read_text() + "# é\n", encoding="utf-8")
    command = [sys.executable, "-X", "utf8=0", "-m", "parity", "cases", "--contract", str(tmp_path / "é.toml")]
    environment = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_place_that_cannot_be_written_is_said(run, capsys):
    assert main(["record", "--contract", str(TOY), "--out", "/proc/nothing"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_interrupt_ends_in_one_line(tmp_path):
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "interrupted"]  # only with -m does Python end by the signal
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (130, "parity: interrupted [interrupted]")


INTERRUPTED = """
import signal, sys
from parity.cli import commands, main
commands.doctor = lambda *_: exec("signal.raise_signal(signal.SIGINT)")  # as dataclasses run what they make
sys.exit(main(["doctor"]))
"""


@pytest.mark.parametrize(
    ("package", "loaded"),
    [
        ("parity", "parity.cli.command_line"),
        ("mlx_impl", "spec.speak"),
        ("reference", "spec.speak"),
    ],
)
def test_an_interrupt_of_what_is_loaded_ends_in_one_line(package, loaded):
    program = INTERRUPTED_WHILE_LOADING.format(package=package, loaded=loaded)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (130, f"{package}: interrupted [interrupted]")


INTERRUPTED_WHILE_LOADING = """
import runpy, signal, sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "{loaded}":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder)
sys.argv[1:] = ["speak", "hello"]
runpy.run_module("{package}", run_name="__main__")
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
    assert done.stderr.strip().splitlines()[-1:] == ["parity: the output was closed before it ended [output.closed]"]


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
    store.add(report(1))
    assert main(["history", str(store.path), "--tap", "x[step=11]"]) == 2
    assert "no run has the tap 'x[step=11]'; is x[step=1], " in capsys.readouterr().err
    assert main(["history", str(store.path), "--tap", "x[step=1]"]) == 0


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("parity ")
