"""parity.run.dumps: a stored trace is the run's own, bit for bit, and judging dumps rejects what a live run would."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures import cases
from parity.base import npy
from parity.base.errors import InputError
from parity.capture.golden import MANIFEST, Golden
from parity.capture.runner import Runner
from parity.capture.trace import keep
from parity.contract import ACCUMULATED, HANDED, LOCAL, Segment
from parity.contract.implementation import State, make_side
from parity.judge.ties import TIE
from parity.judge.verdict import Verdict
from parity.run import dumps as offline
from parity.run.report import Report
from tests.meta import toy
from tests.meta.conftest import ROOT


@pytest.fixture(scope="module")
def store(toy_contract, toy_checkpoint, tmp_path_factory):
    """Captures a side of a toy case into a new folder."""

    def store(side: str, case: str = "tiny", floors: bool = False) -> Path:
        out = tmp_path_factory.mktemp("captured") / "golden"
        offline.capture(toy_contract, toy.load(case), toy_checkpoint, side, out, floors)
        return out

    return store


@pytest.fixture(scope="module")
def golden(store) -> Golden:
    return Golden(store("reference", floors=True))


@pytest.fixture
def dumps(golden, tmp_path) -> Path:
    """A folder of the golden's own arrays, named by tap, without a manifest."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    for name in golden:
        npy.write(folder / f"{name}.npy", golden.load(name))
    return folder


@pytest.fixture
def compare(toy_contract, golden):
    return lambda folder, layout="reference": offline.compare(toy_contract, golden, folder, layout)


def wrong(report: Report) -> list[tuple[str, str]]:
    assert not report.passed
    return [(v.label, v.reason) for v in report.failures]


def taps(report: Report, mode: str = "") -> list[Verdict]:
    """The verdicts without those on what segments hand on, which dumps do not have."""
    return [verdict for verdict in report.select(mode=mode) if not verdict.tap.startswith(HANDED)]


def test_the_trace_is_the_runs_own(golden, verify_toy, toy_checkpoint):
    assert list(golden) == list(dict.fromkeys(v.tap for v in taps(verify_toy("tiny"))))
    assert len(golden) == golden.manifest["count"] == 3 + 3 * 7
    assert golden.manifest["side"] == "reference"
    assert golden.manifest["dims"] == {"steps": 3, "depth": 2}
    inputs = toy.load("tiny").inputs
    assert golden.manifest["inputs"] == {name: npy.canonical_sha256(array) for name, array in inputs.items()}
    weights = (toy_checkpoint / toy.WEIGHTS).read_bytes()
    assert golden.manifest["checkpoint"] == {toy.WEIGHTS: hashlib.sha256(weights).hexdigest()}
    assert {"torch", "torch threads", "numpy"} <= golden.manifest["environment"].keys()


def test_the_floors_are_those_of_a_live_run(golden, verify_toy):
    for verdict in taps(verify_toy("tiny"), ACCUMULATED):
        stored = golden.entries[verdict.tap]["floors"][verdict.branch]
        if verdict.floor == verdict.floor and verdict.floor > 1.01 * verdict.reference_rms * 2.0**-24 / 3**0.5:
            assert stored == verdict.floor


def test_two_processes_store_the_same_bytes(tmp_path, flow_contract, tiny_checkpoint):
    folders = [tmp_path / "here", tmp_path / "elsewhere"]
    command = [
        sys.executable,
        "-m",
        "parity",
        "capture",
        "--case",
        "tiny-flow",
        "--checkpoint",
        tiny_checkpoint,
        "--out",
        folders[1],
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        offline.capture(flow_contract, cases.load("tiny-flow"), tiny_checkpoint, "reference", folders[0])
        assert process.wait() == 0
    first, second = ({path.name: path.read_bytes() for path in folder.rglob("*.*")} for folder in folders)
    assert len(first) == 1 + 42 + 93 * 10 + len(cases.load("tiny-flow").inputs)
    assert first == second


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_a_capture_of_an_equal_side_passes(store, compare, side):
    report = compare(store(side))
    assert report.passed
    assert len(report.verdicts) == report.expected == 3 + 3 * 13
    assert report.segments == ["prepare", "refine[step=0]", "refine[step=1]", "refine[step=2]"]
    assert (max(v.ratio32 for v in report.verdicts if v.ratio32 == v.ratio32) > 0) == (side == "candidate")


def test_a_capture_of_a_faulty_side_fails_where_it_went_wrong(store, compare):
    report = compare(store("candidate", "gain"))
    assert report.first_failure.label == "middle.1[step=0,cond]"
    assert not report.passed


def test_dumps_from_anywhere_pass(dumps, compare):
    assert compare(dumps).passed


def test_a_perturbed_dump_fails(dumps, golden, compare):
    npy.write(dumps / "mu.npy", golden.load("mu") * np.float32(1.001))
    ((label, reason),) = wrong(compare(dumps))
    assert label == "mu"
    assert reason.startswith("ratio32")


def test_missing_extra_and_misshaped_dumps_fail(dumps, golden, compare):
    (dumps / "codes.npy").unlink()
    npy.write(dumps / "surplus.npy", np.zeros(3))
    npy.write(dumps / "last[step=2].npy", golden.load("last[step=2]")[:, :, :4])
    report = compare(dumps)
    assert [label for label, _ in wrong(report)] == ["last[step=2]", "codes", "surplus"]  # what is there stands first
    reasons = [reason for _, reason in wrong(report)]
    assert reasons[0].startswith("shape (4, 8, 4), expected (4, 8, 5)")
    assert reasons[1].endswith("has no codes.npy")
    assert "1 of 24 taps have no dump and fail: leave them out with --allow-missing" in report.program
    assert reasons[2] == "no golden tap of that name"
    assert report.expected == 3 + 3 * 13
    assert report.as_dict()["failures"] == 3


def test_the_layout_of_dumps_is_declared_and_never_guessed(dumps, golden, compare, toy_contract):
    for name, entry in golden.entries.items():
        if toy_contract.candidate_axes(entry["axes"]) != entry["axes"]:
            npy.write(dumps / f"{name}.npy", golden.load(name).swapaxes(1, 2))
    assert compare(dumps, "candidate").passed
    assert {label for label, _ in wrong(compare(dumps))} >= {"mu", "first[step=0]", "refine.state[step=0]"}


def test_the_wrong_layout_fails_on_the_references_own_dumps(dumps, compare):
    assert all(reason.startswith("shape") for _, reason in wrong(compare(dumps, "candidate")))


def test_the_inputs_are_stored_for_ports_that_cannot_make_them(golden):
    inputs = toy.load("tiny").inputs
    assert {file.stem for file in (golden.folder / "inputs").iterdir()} == inputs.keys()
    for name, array in inputs.items():
        np.testing.assert_array_equal(npy.read(golden.folder / "inputs" / f"{name}.npy"), array)
    assert golden.manifest["input_axes"] == {"tokens": "b t", "x": "b c t"}


def test_a_captured_dump_that_is_gone_is_a_dump_that_is_missing(golden, toy_contract, tmp_path):
    dumps = shutil.copytree(golden.folder, tmp_path / "captured")
    (dumps / "mu.npy").unlink()
    assert wrong(offline.compare(toy_contract, golden, dumps)) == [("mu", f"{dumps} has no mu.npy")]
    assert offline.compare(toy_contract, golden, dumps, allow_missing=True).passed


@pytest.mark.parametrize("name", ["._mu.npy", ".codes.npy"])
def test_files_that_a_system_leaves_beside_dumps_are_ignored(dumps, compare, name):
    (dumps / name).write_bytes(b"Mac OS X")
    assert compare(dumps).passed


@pytest.mark.parametrize(
    ("only", "stage", "names"),
    [
        ("mu", "", ["mu"]),
        (
            "middle.*",
            "",
            [f"middle.{k}{part}[step={n}]" for n in range(3) for k in range(2) for part in (".linear", "")],
        ),
        ("*", "prepare", ["codes", "embedding", "mu"]),
        ("m*", "prepare", ["mu"]),
    ],
)
def test_some_taps_alone_are_judged(dumps, golden, toy_contract, only, stage, names):
    for name in set(golden) - set(names):
        (dumps / f"{name}.npy").unlink()
    report = offline.compare(toy_contract, golden, dumps, only=only, stage=stage)
    assert report.passed
    assert list(dict.fromkeys(verdict.tap for verdict in report.verdicts)) == names
    (dumps / f"{names[0]}.npy").unlink()
    npy.write(dumps / "surplus.npy", np.zeros(3))
    report = offline.compare(toy_contract, golden, dumps, only=only, stage=stage)
    assert [label for label, _ in wrong(report)] == names[:1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"only": "embeding"}, "no tap fits 'embeding'; is embedding meant"),
        ({"stage": "prep"}, "no stage 'prep'; is prepare meant"),
    ],
)
def test_names_that_match_nothing_are_refused(dumps, golden, toy_contract, given, message):
    with pytest.raises(InputError, match=message):
        offline.compare(toy_contract, golden, dumps, **given)


@pytest.fixture(scope="module")
def doubled(toy_contract, toy_checkpoint, tmp_path_factory) -> Golden:
    """A golden folder that holds the trace in float64 as well."""
    out = tmp_path_factory.mktemp("doubled") / "golden"
    case = toy.load("tiny")
    offline.capture(toy_contract, case, toy_checkpoint, "reference", out, float64=True)
    return Golden(out)


@pytest.mark.parametrize("mode", [ACCUMULATED, LOCAL])
def test_with_float64_dumps_have_a_ratio64_that_is_the_one_of_a_run(
    doubled, toy_contract, toy_checkpoint, verify_toy, tmp_path, mode
):
    case = toy.load("gain")
    candidate = Runner(toy_contract, "candidate", make_side(toy_contract, "candidate", toy_checkpoint, case, "float32"))
    state, trace = case.inputs, {}
    for segment in toy_contract.segments(case.dims):
        start = handed(doubled, segment, case.inputs) if mode == LOCAL else state
        state = candidate.run(segment, start, keep(trace), forced=dict(doubled) if mode == LOCAL else None)
    for name, array in trace.items():
        npy.write(tmp_path / f"{name}.npy", array)
    report = offline.compare(toy_contract, doubled, tmp_path, mode=mode)
    live = taps(verify_toy("gain"), mode)
    for ours, theirs in zip(report.verdicts, live, strict=True):
        assert (ours.label, ours.mode, ours.passed) == (theirs.label, mode, theirs.passed)
        if theirs.ratio64 == theirs.ratio64:
            assert (ours.ratio32, ours.ratio64) == pytest.approx((theirs.ratio32, theirs.ratio64), rel=1e-6)
    assert report.first_failure.label == "middle.1[step=0,cond]"


def handed(golden: Golden, segment: Segment, inputs: State) -> State:
    """The golden's values that a segment starts from."""
    if segment.index is None:
        return inputs
    x = golden.load(f"refine.state[step={segment.index - 1}]") if segment.index else inputs["x"]
    return {"tokens": inputs["tokens"], "mu": golden.load("mu"), "x": x}


def test_local_errors_need_their_own_floors(golden, dumps, tmp_path, toy_contract):
    assert offline.compare(toy_contract, golden, dumps, mode=LOCAL).passed
    without = altered(golden, tmp_path, lambda manifest: [entry.pop("local") for entry in manifest["taps"]])
    with pytest.raises(InputError, match="no noise floors of local errors; capture it again"):
        offline.compare(toy_contract, without, dumps, mode=LOCAL)


def test_every_margin_of_a_decision_is_stored(tmp_path, flow_contract):
    case = replace(cases.load("tiny-vocoder"), segments=("source",))
    offline.capture(flow_contract, case, cases.synthetic_checkpoint(case), "reference", tmp_path / "g", floors=True)
    dumps = shutil.copytree(tmp_path / "g", tmp_path / "dumps")
    report = offline.compare(flow_contract, Golden(tmp_path / "g"), dumps)
    (voiced,) = report.decisions
    assert voiced.tap == "vocoder.voiced"
    assert TIE < voiced.margin < math.inf


def test_one_bad_branch_is_named(dumps, golden, compare):
    array = golden.load("first[step=1]").copy()
    array[3, 2, 1] += np.float32(0.5)
    npy.write(dumps / "first[step=1].npy", array)
    assert [label for label, _ in wrong(compare(dumps))] == ["first[step=1,uncond]"]


def test_without_floors_nothing_is_judged(store, toy_contract, golden):
    with pytest.raises(InputError, match="no noise floors; capture it again with `parity capture --floors`"):
        offline.compare(toy_contract, Golden(store("reference")), golden.folder)


def altered(golden: Golden, tmp_path: Path, change) -> Golden:
    """A copy of the golden folder with its manifest changed."""
    folder = tmp_path / "altered"
    shutil.copytree(golden.folder, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return Golden(folder)


def without_a_tap(manifest):
    manifest["taps"].pop(3)
    manifest["count"] -= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest["taps"][4].update(floors={}), "no noise floors"),
        (lambda manifest: manifest.pop("dims"), "lacks dims; capture it again"),
        (lambda manifest: manifest["dims"].update(steps=4), "its taps are not those of"),
        (lambda manifest: manifest["taps"].reverse(), "its taps are not those of"),
        (without_a_tap, "its taps are not those of"),
    ],
)
def test_goldens_that_do_not_fit_the_contract_are_refused(golden, tmp_path, toy_contract, change, message):
    with pytest.raises(InputError, match=message):
        offline.compare(toy_contract, altered(golden, tmp_path, change), golden.folder)


def test_an_altered_candidate_is_refused(store, compare):
    folder = store("candidate")
    npy.write(folder / "mu.npy", np.zeros((2, 8, 5), dtype=np.float32))
    with pytest.raises(InputError, match=r"mu\.npy: its content was altered"):
        compare(folder)


@pytest.mark.parametrize(("name", "said"), [("", "no NPY files there"), ("nowhere", "no such folder or file")])
def test_a_folder_without_dumps_is_refused(tmp_path, compare, name, said):
    with pytest.raises(InputError, match=said):
        compare(tmp_path / name)


@pytest.mark.parametrize("case", ["skip", "extra", "order", "twice"])
def test_a_side_that_does_not_keep_the_contract_is_not_stored(store, case):
    with pytest.raises(InputError, match="side 'candidate' does not give the taps that are declared for segment prep"):
        store("candidate", case)


def test_a_side_without_float64_has_no_floors(flow_contract, short_case, tiny_checkpoint, tmp_path):
    with pytest.raises(InputError, match="dtype 'float64'"):
        offline.capture(flow_contract, short_case, tiny_checkpoint, "candidate", tmp_path / "out", floors=True)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(toy_contract, toy_checkpoint, golden):
    before = (golden.folder / MANIFEST).read_bytes()
    with pytest.raises(InputError, match="exists; nothing was written"):
        offline.capture(toy_contract, toy.load("tiny"), toy_checkpoint, "reference", golden.folder)
    assert (golden.folder / MANIFEST).read_bytes() == before


def test_an_unknown_side_is_refused(toy_contract, toy_checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"unknown side 'swift' in .*; expected one of reference, candidate"):
        offline.capture(toy_contract, toy.load("tiny"), toy_checkpoint, "swift", tmp_path / "out")
