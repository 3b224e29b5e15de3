"""The f0 predictor in a language of its own, and `parity compare` on what it dumped: accumulated and local."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import parity
from fixtures import cases
from parity.cli import main
from reference.weights.vocoder import load_vocoder
from tests.writers.languages import HERE, WRITERS
from writers import parity_dump
from writers.parity_dump import Dump

CONTRACT = HERE.parents[1] / "fixtures" / "contract.toml"
CASE = "tiny-vocoder-batch"
PREDICTOR = "vocoder.f0_predictor"
TAPS = [*(f"{PREDICTOR}.convs.{layer}" for layer in range(5)), f"{PREDICTOR}.classifier", PREDICTOR, "vocoder.voiced"]


def make_golden(folder: Path) -> Path:
    """What a port is given, in `folder`: the golden folder of the case, and the predictor's weights as NPY files."""
    case = cases.load(CASE)
    checkpoint = cases.synthetic_checkpoint(case)
    parity.capture_trace(parity.load_contract(CONTRACT), case, folder / "golden", checkpoint, floors=True)
    weights = Dump(folder / "weights")
    predictor = load_vocoder(checkpoint, case.options["config"].vocoder).f0_predictor
    for name, value in predictor.state_dict().items():
        weights.write(name, value.numpy())
    return folder


def judged(
    program: Sequence[str | Path], given: Path, folder: Path, mode: str, weights: Path | None = None
) -> tuple[int, dict[str, bool]]:
    """Exit code, and whether each tap passed, of a program that runs on what is `given` and dumps in `folder`."""
    options = ["local"] if mode == "local" else []
    arguments = [weights or given / "weights", given / "golden", folder / "dumps", *options]
    environment = os.environ | {"PYTHONPATH": str(WRITERS)}
    subprocess.run([*program, *arguments], check=True, env=environment)
    command = ["compare", str(given / "golden"), str(folder / "dumps"), "--allow-missing", "--quiet"]
    code = main([*command, "--json", str(folder / "result.json"), *(f"--{option}" for option in options)])
    report = json.loads((folder / "result.json").read_text())
    return code, {verdict["tap"]: verdict["passed"] for verdict in report["verdicts"]}


def assert_equal(program: Sequence[str | Path], given: Path, folder: Path, mode: str) -> None:
    """What the program dumps is the reference's, tap by tap."""
    assert judged(program, given, folder, mode) == (0, dict.fromkeys(TAPS, True))


def assert_fault_is_seen(program: Sequence[str | Path], given: Path, folder: Path, mode: str) -> None:
    """Without the bias of one layer, that layer alone is wrong locally, and in a free run all that follow it."""
    weights = Path(shutil.copytree(given / "weights", folder / "weights"))
    bias = parity_dump.read(weights / "convs.2.bias.npy", np.float32)
    Dump(weights).write("convs.2.bias", np.zeros_like(bias))
    code, passed = judged(program, given, folder, mode, weights)
    failed = [tap for tap in TAPS if not passed[tap]]
    assert code == 1
    assert failed == (TAPS[2:3] if mode == "local" else TAPS[2:7])
