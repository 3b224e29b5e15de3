""".pre-commit-hooks.yaml: its entry, run from another folder on the files that it asks for, as pre-commit runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from spec.synthetic.cache import cached
from tests.docs.markdown import ROOT

(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


def run(place: Path) -> subprocess.CompletedProcess[str]:
    """The entry on the files of a folder that the hook is for. A `script` is found from the hook's own repository."""
    assert HOOK["language"] == "script"
    files = sorted(file.name for file in place.iterdir() if re.search(HOOK["files"], file.name))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run([ROOT / HOOK["entry"], *files], cwd=place, env=environment, capture_output=True, text=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    shutil.copyfile(cached("tiny") / "ve.safetensors", tmp_path / "ve.safetensors")
    (tmp_path / "notes.txt").write_text("no weights")
    return tmp_path


def test_a_sound_file_is_let_through(place):
    done = run(place)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS nothing is wrong")


def test_a_file_that_is_not_whole_or_not_finite_is_held_back(place):
    content = (place / "ve.safetensors").read_bytes()
    (place / "torn.safetensors").write_bytes(content[:-100])
    (place / "nan.safetensors").write_bytes(content[:-4] + np.float32(np.nan).tobytes())
    done = run(place)
    assert done.returncode == 1
    assert done.stdout.count("PASS nothing is wrong") == 1 and done.stdout.count("FAIL ") == 2
    assert "not finite" in done.stdout and "torn.safetensors: not a whole safetensors file" in done.stdout


def test_a_python_that_lacks_a_package_says_what_to_do(place):
    command = [sys.executable, "-I", "-S", str(ROOT / HOOK["entry"]), "ve.safetensors"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith(
        "audit: No module named 'numpy'; python3 -m pip install numpy"
    )


def test_the_page_names_the_hook():
    assert f"- id: {HOOK['id']}\n" in (ROOT / "docs" / "github.md").read_text()
