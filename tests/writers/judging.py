"""The f0 predictor in a language of its own, and `parity compare` on what it dumped: accumulated and local."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fixtures import cases
from parity.cli import main
from reference.weights.vocoder import load_vocoder
from tests.writers.languages import HERE, WRITERS
from writers import parity_dump
from writers.parity_dump import Dump

CASE = "tiny-vocoder-batch"
PREDICTOR = "vocoder.f0_predictor"
TAPS = [*(f"{PREDICTOR}.convs.{layer}" for layer in range(5)), f"{PREDICTOR}.classifier", PREDICTOR, "vocoder.voiced"]

Record = Callable[[str, Path, Path, str], object]
Verdicts = tuple[int, dict[str, list[str]]]
"""Exit code, and the taps that passed and failed in each mode."""


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


def dumped(program: Sequence[str | Path], given: Path, dumps: Path, weights: Path | None = None) -> Path:
    """What a program dumps of what it is `given`."""
    arguments = [weights or given / "weights", given / "bundle", dumps]
    subprocess.run([*program, *arguments], check=True, env=os.environ | {"PYTHONPATH": str(WRITERS)})
    return dumps


def judged(given: Path, dumps: Path, result: Path) -> Verdicts:
    """What `parity compare` says of dumps or records."""
    command = ["compare", str(given / "bundle"), str(dumps), "--allow-missing", "--quiet", "--json", str(result)]
    code, found = main(command), dict[str, list[str]]()
    for verdict in json.loads(result.read_text())["verdicts"]:
        found.setdefault(f"{verdict['mode']} {'passed' if verdict['passed'] else 'failed'}", []).append(verdict["tap"])
    return code, found


def assert_equal(program: Sequence[str | Path], given: Path, folder: Path) -> None:
    """What the program dumps is the reference's, tap by tap, in both modes."""
    dumps = dumped(program, given, folder / "dumps")
    assert judged(given, dumps, folder / "result.json") == (0, {"local passed": TAPS, "accumulated passed": TAPS})


def assert_fault_is_seen(program: Sequence[str | Path], given: Path, folder: Path) -> None:
    """Without the bias of one layer, that layer alone is wrong locally, and in a free run all numbers behind it."""
    code, found = judged(given, faulty(program, given, folder), folder / "result.json")
    assert code == 1
    assert found["local failed"] == TAPS[2:3]
    assert found["accumulated failed"] == TAPS[2:7]


def faulty(program: Sequence[str | Path], given: Path, folder: Path) -> Path:
    """Dumps without the bias of one layer."""
    weights = Path(shutil.copytree(given / "weights", folder / "weights"))
    bias = parity_dump.read(weights / "convs.2.bias.npy", np.float32)
    Dump(weights).write("convs.2.bias", np.zeros_like(bias))
    return dumped(program, given, folder / "dumps", weights)


def assert_records_are_judged(record: Record, given: Path, folder: Path) -> None:
    """Records in place of dumps: `record(dtype, file, folder, tap)` writes one, with the batch as leading axis."""
    program = (sys.executable, HERE / "programs" / "f0_predictor" / "main.py")
    runs = {"right": dumped(program, given, folder / "right"), "wrong": faulty(program, given, folder)}
    for name, dumps in runs.items():
        for tap in TAPS:
            dtype = "bool" if tap == "vocoder.voiced" else "float32"
            record(dtype, dumps / f"{tap}.npy", folder / f"{name} records", tap)
    assert judged(given, folder / "right records", folder / "right.json") == (0, {"accumulated passed": TAPS})
    code, found = judged(given, folder / "wrong records", folder / "wrong.json")
    assert code == 1
    assert found["accumulated failed"] == TAPS[2:7]
