"""Dumps of 15 taps of the 4402 of a full-size flow: judged as what they are, first, and the exit code is by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fixtures import cases
from parity.base import npy
from parity.capture.golden import Golden, writing
from parity.capture.trace_folder import StoredTrace
from parity.cli import main
from parity.contract import Contract, toml_files

CASE, TAPS, EVERY = "full-flow", 4402, 300
DUMPED = 15


@pytest.fixture(scope="module")
def bundle(flow_contract: Contract, tmp_path_factory) -> Path:
    """A bundle of the whole contract, in which one file stands for all taps of as many axes: two of everything."""
    case = cases.load(CASE)
    folder = tmp_path_factory.mktemp("partial") / "bundle"
    about = {"case": CASE, "dims": dict(case.dims), "segments": list(case.segments), "environment": {}}
    with writing(folder, about) as stored:
        files = StoredTrace(stored.folder, {})
        for axes in range(1, 5):
            rng = np.random.Generator(np.random.Philox(key=axes))
            files.add(str(axes), rng.standard_normal((2,) * axes, dtype=np.float32))
        for segment in flow_contract.segments(case.dims, case.segments):
            for tap in segment.taps:
                floors = dict.fromkeys(flow_contract.branches(tap.axes), 1e-7)
                more = {"name": tap.name, "axes": tap.axes, "floors": floors, "local": floors, "margins": []}
                stored.entries[tap.name] = files.entries[str(len(tap.axes.split()))] | more
    toml_files.copy(flow_contract.path, folder / "contract.toml")
    return folder


@pytest.fixture
def dumps(bundle, tmp_path) -> Path:
    golden = Golden(bundle)
    names = list(golden)[::EVERY]
    assert (len(golden), len(names)) == (TAPS, DUMPED)
    (tmp_path / "dumps").mkdir()
    for name in names:
        npy.write(tmp_path / "dumps" / f"{name}.npy", golden.load(name))
    return tmp_path / "dumps"


def run(bundle: Path, dumps: Path, *options: str) -> tuple[int, dict]:
    code = main(["compare", str(bundle), str(dumps), *options, "--json", str(dumps.parent / "result.json"), "-q"])
    return code, json.loads((dumps.parent / "result.json").read_text())


def test_a_few_right_dumps_pass_when_the_others_are_left_out(bundle, dumps):
    code, result = run(bundle, dumps, "--allow-missing")
    assert code == 0
    assert {verdict["tap"] for verdict in result["verdicts"]} == {file.stem for file in dumps.iterdir()}
    assert f"{TAPS - DUMPED} of {TAPS} taps have no dump and were not judged" in result["program"]


def test_a_few_dumps_fail_by_the_wrong_one_among_them(bundle, dumps):
    wrong = sorted(dumps.iterdir())[4]
    npy.write(wrong, npy.read(wrong) * np.float32(1.001))
    code, result = run(bundle, dumps, "--allow-missing")
    assert code == 1
    assert {verdict["tap"] for verdict in result["verdicts"] if not verdict["passed"]} == {wrong.stem}
    assert result["first_failure"]["tap"] == wrong.stem


def test_without_being_told_a_missing_dump_fails_behind_those_that_are_there(bundle, dumps):
    code, result = run(bundle, dumps)
    assert code == 1
    taps = list(dict.fromkeys(verdict["tap"] for verdict in result["verdicts"]))
    assert len(taps) == TAPS
    assert set(taps[:DUMPED]) == {file.stem for file in dumps.iterdir()}
    assert not any(verdict["passed"] for verdict in result["verdicts"] if verdict["tap"] in taps[DUMPED:])
    assert f"{TAPS - DUMPED} of {TAPS} taps have no dump and fail: leave them out" in result["program"]
