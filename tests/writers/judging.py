"""The f0 predictor in a language of its own, and `parity compare` on what it dumped: accumulated and local."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fixtures import cases
from parity.cli import main
from reference.weights.vocoder import load_vocoder
from tests.writers.languages import WRITERS
from writers import parity_dump
from writers.parity_dump import Dump

CASE = "tiny-vocoder-batch"
PREDICTOR = "vocoder.f0_predictor"
TAPS = [*(f"{PREDICTOR}.convs.{layer}" for layer in range(5)), f"{PREDICTOR}.classifier", PREDICTOR, "vocoder.voiced"]


def make_given(folder: Path) -> Path:
    """What a port is given, in `folder`: the bundle of the case, and the predictor's weights as NPY files."""
    case = cases.load(CASE)
    checkpoint = cases.synthetic_checkpoint(case)
    assert main(["export", "--case", CASE, "--quiet", "-o", str(folder / "bundle")]) == 0
    weights = Dump(folder / "weights")
    predictor = load_vocoder(checkpoint, case.options["config"].vocoder).f0_predictor
    for name, value in predictor.state_dict().items():
        weights.write(name, value.numpy())
    return folder


def judged(
    program: Sequence[str | Path], given: Path, folder: Path, weights: Path | None = None
) -> tuple[int, dict[str, list[str]]]:
    """Exit code, and the taps that passed and failed in each mode, of a program that dumps what it is `given`."""
    arguments = [weights or given / "weights", given / "bundle", folder / "dumps"]
    subprocess.run([*program, *arguments], check=True, env=os.environ | {"PYTHONPATH": str(WRITERS)})
    command = ["compare", str(given / "bundle"), str(folder / "dumps"), "--allow-missing", "--quiet"]
    code = main([*command, "--json", str(folder / "result.json")])
    found: dict[str, list[str]] = {}
    for verdict in json.loads((folder / "result.json").read_text())["verdicts"]:
        found.setdefault(f"{verdict['mode']} {'passed' if verdict['passed'] else 'failed'}", []).append(verdict["tap"])
    return code, found


def assert_equal(program: Sequence[str | Path], given: Path, folder: Path) -> None:
    """What the program dumps is the reference's, tap by tap, in both modes."""
    assert judged(program, given, folder) == (0, {"local passed": TAPS, "accumulated passed": TAPS})


def assert_fault_is_seen(program: Sequence[str | Path], given: Path, folder: Path) -> None:
    """Without the bias of one layer, that layer alone is wrong locally, and in a free run all numbers behind it."""
    weights = Path(shutil.copytree(given / "weights", folder / "weights"))
    bias = parity_dump.read(weights / "convs.2.bias.npy", np.float32)
    Dump(weights).write("convs.2.bias", np.zeros_like(bias))
    code, found = judged(program, given, folder, weights)
    assert code == 1
    assert found["local failed"] == TAPS[2:3]
    assert found["accumulated failed"] == TAPS[2:7]
