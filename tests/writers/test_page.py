"""The examples of writers/README.md are programs, and each dumps the two steps that the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from parity.base import npy
from tests.writers.languages import WRITERS


def example(language: str) -> str:
    """The block of a language in the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", (WRITERS / "README.md").read_text(), flags=re.M | re.S)
    return found


def golden_input(folder: Path) -> np.ndarray:
    """The input of the examples, stored in Fortran order."""
    x = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    (folder / "bundle" / "inputs").mkdir(parents=True)
    npy.write(folder / "bundle" / "inputs" / "x.npy", x)
    return x


def assert_steps(folder: Path, x: np.ndarray) -> None:
    made = {file.stem: npy.read(file) for file in (folder / "dumps").iterdir()}
    assert made.keys() == {"state[step=0]", "state[step=1]"}
    np.testing.assert_array_equal(made["state[step=0]"], x / 2)
    np.testing.assert_array_equal(made["state[step=1]"], x / 4)


def test_the_example_in_python(tmp_path):
    x = golden_input(tmp_path)
    program = [sys.executable, "-c", example("python")]
    subprocess.run(program, cwd=tmp_path, env={"PYTHONPATH": str(WRITERS)}, check=True)
    assert_steps(tmp_path, x)
