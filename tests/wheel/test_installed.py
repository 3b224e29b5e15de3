"""The wheel by itself, with NumPy and rich alone: `tox -e wheel`. It is run from a folder that is no checkout."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

from parity.base.jsonfile import write_json
from parity.capture import golden
from parity.cli.usage import EXAMPLES
from tests.meta.test_history import report

ROOT = Path(__file__).resolve().parents[2]
WORKS = {"history", "diff", "inspect", "doctor"}
"""Commands that need neither a model nor a contract nor an extra."""
SAYS = {
    "demo": "pip install 'chatterbox-parity[torch,mlx]'",
    **dict.fromkeys(("verify", "adopt", "report", "mutate"), "pip install chatterbox-parity[report]"),
    **dict.fromkeys(("compare", "prove", "repro", "discover"), "pip install scipy"),
    **dict.fromkeys(
        ("record", "capture", "export", "bisect", "status", "exercise", "cases", "stages", "taps"),
        "name one with --contract",
    ),
}
"""What the others say that is to be done: their examples want a report, two models, or a contract."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with what the examples name and a user has: results, inputs and a golden folder."""
    (tmp_path / "results").mkdir()
    write_json(report(1).as_dict(), tmp_path / "results" / "vocoder.json")
    np.savez(tmp_path / "short.npz", x=np.zeros((2, 3), np.float32))
    shutil.copyfile(tmp_path / "short.npz", tmp_path / "long.npz")
    about = {"case": "x", "dims": {}, "segments": [], "environment": {}, "inputs": {}}
    with golden.writing(tmp_path / "golden", about) as trace:
        trace.add("x", np.arange(3.0), axes="t", floors={"": 1.0}, margins=[])
    shutil.copytree(tmp_path / "golden", tmp_path / "dumps")
    return tmp_path


def run(place: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A command of the wheel, which sees nothing of the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", "-m", "parity", *shlex.split(line)[1:]]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


def test_it_is_the_wheel_that_runs(place: Path) -> None:
    (place / "where.py").write_text("import parity; print(parity.__file__)")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "where.py"], cwd=place, env=environment, capture_output=True, text=True)
    assert "site-packages" in done.stdout and Path(done.stdout.strip()).parent != ROOT / "parity"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_command_works_or_says_in_a_sentence_what_to_do(place: Path, name: str) -> None:
    assert (name in WORKS) != (name in SAYS)
    done = run(place, EXAMPLES[name])
    if name in WORKS:
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert done.returncode == 2
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("parity: ")]
    assert SAYS[name] in said and "--debug" not in said


def test_the_step_of_the_action_tells_what_broke_off(place: Path) -> None:
    step = "-m parity.cli.github judge --bundle golden --dumps dumps --out told"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "GITHUB_"))}
    command = [sys.executable, "-P", *step.split()]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "passed=false" in done.stdout.splitlines()
    assert "name one with --contract [input.missing]" in (place / "told" / "comment.md").read_text()


def test_an_error_is_as_its_schema_in_the_wheel_names_it(place: Path) -> None:
    done = run(place, "parity inspect none.npy --json -")
    schema = distribution("chatterbox-parity").locate_file("parity/schemas/error.json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["error"]["exit_code"]) == (2, 2)
    assert set(json.loads(Path(str(schema)).read_text())["required"]) == found.keys()


def test_the_wheel_holds_what_its_commands_need_and_nothing_else() -> None:
    files = {str(file) for file in distribution("chatterbox-parity").files or []}
    pair = {f"parity/cli/pair/demo_{name}.py" for name in ("torch", "mlx", "weights")}
    pair |= {f"parity/cli/trained/vad_{name}.py" for name in ("torch", "mlx", "inputs")}
    templates = {f"parity/show/page/templates/{name}" for name in ("index.html.j2", "page.js", "style.css")}
    schemas = {f"parity/schemas/{file.name}" for file in (ROOT / "docs" / "schemas").glob("*.json")}
    assert schemas and pair | templates | schemas | {"parity/py.typed", "parity/run/dumps/format.md"} <= files
    tops = {name.partition("/")[0] for name in files if not name.startswith(("..", "chatterbox_parity-"))}
    assert tops == {"parity"}


def test_what_it_says_of_itself() -> None:
    about = distribution("chatterbox-parity").metadata
    assert {"torch", "mlx", "sides", "report", "mutate", "all"} <= set(about.get_all("Provides-Extra"))
    assert {"Framework :: Pytest", "Typing :: Typed"} <= set(about.get_all("Classifier"))


def test_the_result_of_a_command_is_as_its_schema_in_the_wheel_names_it(place: Path) -> None:
    done = run(place, "parity inspect golden/x.npy --json -")
    schema = distribution("chatterbox-parity").locate_file("parity/schemas/array.json")
    assert set(json.loads(Path(str(schema)).read_text())["required"]) <= json.loads(done.stdout).keys()
