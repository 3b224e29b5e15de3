"""A bundle that was altered is refused: its inputs, states, contract, axes and floors, not its taps alone."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.base import npy
from parity.capture.golden import MANIFEST
from parity.cli import main
from parity.run import dumps as offline
from tests.meta import toy

TAP = "middle.1[step=0]"


@pytest.fixture(scope="module")
def exported(toy_contract, toy_checkpoint, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("altered")
    case = toy.load("tiny")
    offline.capture(toy_contract, case, toy_checkpoint, "reference", out / "bundle", float64=True, bundle="candidate")
    offline.capture(toy_contract, case, toy_checkpoint, "candidate", out / "dumps")
    return out


@pytest.fixture
def bundle(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported / "bundle", tmp_path / "bundle"))


def edit(bundle: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def entry(manifest: dict[str, Any]) -> dict[str, Any]:
    return next(tap for tap in manifest["taps"] if tap["name"] == TAP)


@pytest.fixture
def judged(exported, bundle, capsys):
    """The exit codes of `compare` and `inspect` on the bundle, and what they say."""

    def judge(*options: str) -> tuple[int, int, str]:
        compared = main(["compare", str(bundle), str(exported / "dumps"), *options])
        said = capsys.readouterr()
        inspected = main(["inspect", str(bundle)])
        more = capsys.readouterr()
        return compared, inspected, " ".join((said.out + said.err + more.err).split())

    return judge


def test_one_that_is_as_it_was_exported_is_taken(judged):
    assert judged()[:2] == (0, 0)


def test_an_altered_or_missing_input_is_refused(bundle, judged):
    file = bundle / "inputs" / "x.npy"
    npy.write(file, npy.read(file) * 2)
    compared, inspected, said = judged()
    assert (compared, inspected) == (2, 2) and "x.npy: its content was altered" in said
    file.unlink()
    assert judged()[:2] == (2, 2)


def test_an_altered_state_is_refused(bundle, judged):
    array = np.ones((2, 3), np.float32)
    (bundle / "state").mkdir()
    npy.write(bundle / "state" / "x.npy", array)
    state = {"file": "state/x.npy", "axes": "b t", "sha256": npy.canonical_sha256(array)}
    edit(bundle, lambda manifest: manifest["starts"][1]["state"].update(x=state))
    assert judged()[:2] == (0, 0)
    npy.write(bundle / "state" / "x.npy", array * 2)
    compared, inspected, said = judged()
    assert (compared, inspected) == (2, 2) and "state/x.npy: its content was altered" in said


def test_an_altered_contract_is_refused_unless_one_is_named(bundle, judged, toy_contract):
    file = bundle / "contract.toml"
    file.write_text(file.read_text().replace("ratio32 = ", "ratio32 = 1"))
    compared, inspected, said = judged()
    assert (compared, inspected) == (2, 2)
    assert "contract.toml: altered" in said and "export the bundle again, or give --contract FILE" in said
    assert judged("--contract", str(toy_contract.path))[0] == 0
    file.unlink()
    compared, _, said = judged()
    assert compared == 2 and "bundle/contract.toml: not there; export the bundle again, or give --contract" in said


def test_values_in_double_are_inspected(bundle, judged):
    file = bundle / "float64-local" / "middle.1[step=0].npy"
    npy.write(file, npy.read(file) + 1)
    assert judged()[:2] == (0, 2), "no local error was judged"


@pytest.mark.parametrize("floor", [math.nan, math.inf, -1.0, "1e-6", True, None])
def test_a_floor_that_is_no_number_from_0_on_is_refused(bundle, judged, floor):
    edit(bundle, lambda manifest: entry(manifest)["floors"].update(cond=floor))
    compared, _, said = judged()
    assert compared == 2 and f"a floor of {TAP} is {floor!r}; expected a number from 0 on" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: entry(manifest).update(axes="g c t"), f"the axes of {TAP} are 'g c t', by"),
        (lambda manifest: manifest.update(layout="reference"), "the axes of"),
        (lambda manifest: manifest["starts"].pop(), "its starts are not those of"),
        (lambda manifest: manifest["starts"].clear(), "its starts are not those of"),
    ],
)
def test_a_manifest_that_contradicts_its_contract_is_refused(bundle, judged, change, message):
    edit(bundle, change)
    compared, _, said = judged()
    assert compared == 2 and message in said
