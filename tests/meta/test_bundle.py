"""A bundle: all that a port in another language needs, and the judging of what it writes, by the bundle alone."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from parity import contract as contracts
from parity.base import npy
from parity.base.errors import InputError
from parity.base.metrics import rmse
from parity.capture.golden import Golden
from parity.capture.runner import Runner
from parity.cli import main
from parity.contract import ACCUMULATED, LOCAL
from parity.contract.implementation import make_side
from parity.run import dumps as offline
from parity.run.dumps.names import Names
from tests.meta import foreign_port, toy
from tests.meta.conftest import TOY
from tests.meta.foreign_port import Port

BLOCKS = ["middle.0", "middle.1"]


@pytest.fixture(scope="module")
def bundles(toy_contract, toy_checkpoint, tmp_path_factory):
    """The bundles of the toy, by the side whose axes they have."""
    out = tmp_path_factory.mktemp("bundles")
    case = toy.load("tiny")
    for axes in ("reference", "candidate"):
        offline.capture(toy_contract, case, toy_checkpoint, "reference", out / axes, float64=True, bundle=axes)
    return {axes: Golden(out / axes) for axes in ("reference", "candidate")}


@pytest.fixture
def bundle(bundles) -> Golden:
    return Golden(bundles["candidate"].folder)


@pytest.fixture
def port(bundle, toy_checkpoint, tmp_path):
    return lambda gain=1.0: Port(bundle.folder, toy_checkpoint / toy.WEIGHTS, tmp_path / "dumps", gain)


@pytest.fixture
def judged(bundle):
    """Judges a port's dumps by the bundle's own contract."""

    def judge(path: Path, **options):
        return offline.compare(contracts.load(bundle.folder / "contract.toml"), bundle, path, **options)

    return judge


@pytest.fixture
def values(port) -> dict[str, np.ndarray]:
    """A right port's values by tap."""
    made = port()
    made.free()
    return {file.stem: np.load(file) for file in sorted(made.dumps.glob("*.npy"))}


def test_the_port_knows_the_bundle_alone():
    tree = ast.parse(Path(foreign_port.__file__).read_text())
    froms = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert froms | names == {"__future__", "json", "collections.abc", "pathlib", "numpy"}


@pytest.mark.parametrize("axes", ["reference", "candidate"])
def test_arrays_are_in_c_order_and_in_the_axes_of_a_side(bundles, axes, toy_contract):
    folder = bundles[axes].folder
    for entry in [
        *bundles[axes].entries.values(),
        *(e for t in bundles[axes].doubles.values() for e in t.entries.values()),
    ]:
        assert not npy.read_header(folder / entry["file"]).fortran_order
    for name, entry in bundles[axes].entries.items():
        theirs = bundles["reference"].entries[name]
        assert entry["axes"] == (theirs["axes"] if axes == "reference" else toy_contract.candidate_axes(theirs["axes"]))
        order = [theirs["axes"].split().index(axis) for axis in entry["axes"].split()]
        np.testing.assert_array_equal(bundles[axes].load(name), bundles["reference"].load(name).transpose(order))
    inputs = toy.load("tiny").inputs
    x = npy.read(folder / "inputs" / "x.npy")
    np.testing.assert_array_equal(x, inputs["x"] if axes == "reference" else inputs["x"].swapaxes(1, 2))
    assert bundles[axes].manifest["input_axes"]["x"] == ("b c t" if axes == "reference" else "b t c")
    assert bundles[axes].manifest["layout"] == axes


def test_each_segment_says_what_it_starts_from(bundle, toy_contract, toy_checkpoint):
    case = toy.load("tiny")
    runner = Runner(toy_contract, "reference", make_side(toy_contract, "reference", toy_checkpoint, case, "float32"))
    state = case.inputs
    starts = bundle.manifest["starts"]
    for segment, start in zip(toy_contract.segments(case.dims), starts, strict=True):
        assert (start["segment"], start["taps"]) == (segment.label, [tap.name for tap in segment.taps])
        assert start["state"].keys() == state.keys()
        for name, entry in start["state"].items():
            array = npy.read(bundle.folder / entry["file"])
            np.testing.assert_array_equal(array.swapaxes(1, 2) if array.ndim == 3 else array, state[name])
        state = runner.run(segment, state, lambda tap, array: None)
    content = bundle.entries["embedding"]["sha256"]
    found = {"file": "embedding.npy", "axes": "b t c", "sha256": content}
    assert starts[1]["state"]["mu"] == found, "the first file of that content"
    assert starts[2]["state"]["x"]["file"] == "refine.state[step=0].npy", "a tap is not stored twice"


def test_it_has_the_contract_and_the_page(bundle):
    assert (bundle.folder / "contract.toml").read_bytes() == TOY.read_bytes()
    page = Path(offline.__file__).with_name("format.md").read_bytes()
    assert (bundle.folder / "README.md").read_bytes() == page


def test_a_right_port_passes_freely_and_in_each_block(port, judged):
    port().free()
    assert judged(port().dumps).passed
    port().local()
    report = judged(port().dumps)
    assert report.passed
    assert [verdict.mode for verdict in report.verdicts] == [LOCAL] * 42 + [ACCUMULATED] * 42
    assert len(report.verdicts) == report.expected
    assert {verdict.mode for verdict in judged(port().dumps, mode=LOCAL).verdicts} == {LOCAL}
    assert max(verdict.ratio64 for verdict in report.verdicts if verdict.ratio64 == verdict.ratio64) > 0


def test_a_wrong_block_is_named_by_its_local_error_and_all_that_follow_are_right(port, judged):
    port(1.001).free()
    port(1.001).local()
    report = judged(port().dumps)
    failures = [(verdict.tap, verdict.mode) for verdict in report.failures if verdict.mode == LOCAL]
    assert set(failures) == {(f"middle.1[step={step}]", LOCAL) for step in range(3)}
    assert (report.first_failure.tap, report.first_failure.mode) == ("middle.1[step=0]", LOCAL)
    assert report.pictures[0].key == ("middle.1[step=0]", "cond", LOCAL)
    assert len(report.pictures) >= 16
    assert any(verdict.mode == ACCUMULATED for verdict in report.failures)


@pytest.mark.parametrize("gain", [1.0, 1.001])
def test_a_block_that_runs_as_one_is_judged_by_the_floor_of_the_whole_block(port, bundle, judged, gain):
    port(gain).local("middle.1")
    report = judged(port().dumps)
    assert report.passed == (gain == 1)
    assert "3 blocks ran as one and are judged by the floors of whole blocks" in report.program
    assert len(report.verdicts) == report.expected == 42 - 6


def test_the_floor_of_a_whole_block_is_what_rounding_does_in_it(bundle, toy_checkpoint, port, judged):
    weight = np.load(toy_checkpoint / toy.WEIGHTS)[3].astype(np.float64)
    given, left = (bundle.load(f"middle.{number}[step=0]") for number in (0, 1))
    double = given + np.maximum(given @ weight.T, 0)
    found = bundle.entries["middle.1[step=0]"]["block"]
    assert [found["cond"], found["uncond"]] == pytest.approx([rmse(left[:2], double[:2]), rmse(left[2:], double[2:])])
    assert "block" not in bundle.entries["first[step=0]"], "nothing is inside"
    port(1.001).local("middle.1")
    for entry in bundle.entries.values():
        if entry["name"].startswith("middle.1["):
            entry["block"] = dict.fromkeys(entry["block"], 1.0)
    assert judged(port().dumps).passed, "this floor is the one that is used"


def test_one_block_alone_is_judged(port, judged):
    port().local()
    for file in (port().dumps / "local").iterdir():
        if not file.name.startswith("middle.0[step=1]"):
            file.unlink()
    report = judged(port().dumps, allow_missing=True)
    assert report.passed
    assert [verdict.label for verdict in report.verdicts] == ["middle.0[step=1,cond]", "middle.0[step=1,uncond]"]
    assert not judged(port().dumps).passed


def test_what_is_judged_first_is_what_is_there_and_the_exit_code_is_by_it(values, tmp_path, bundle, capsys):
    kept = [f"first[step={step}]" for step in range(3)]
    for name in values:
        if name not in kept:
            (tmp_path / "dumps" / f"{name}.npy").unlink()
    words = ["compare", str(bundle.folder), str(tmp_path / "dumps")]
    assert main(words) == 1
    assert main([*words, "--allow-missing", "--json", str(tmp_path / "result.json")]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert [verdict["tap"] for verdict in result["verdicts"]] == [name for name in kept for _ in range(2)]
    assert "21 of 24 taps have no dump and were not judged" in capsys.readouterr().out
    npy.write(tmp_path / "dumps" / f"{kept[1]}.npy", values[kept[1]] * np.float32(1.01))
    assert main([*words, "--allow-missing"]) == 1


@pytest.mark.parametrize("layout", ["", "candidate", "reference"])
def test_one_safetensors_file(values, bundle, bundles, tmp_path, judged, layout):
    def turned(name: str, array: np.ndarray) -> np.ndarray:
        axes = layout or "candidate"
        have, want = bundle.entries[name]["axes"].split(), bundles[axes].entries[name]["axes"].split()
        return np.ascontiguousarray(array.transpose([have.index(axis) for axis in want]))

    file = tmp_path / "dumps.safetensors"
    save_file({name: turned(name, array) for name, array in values.items()}, file)
    assert judged(file, layout=layout).passed
    other = {"": "reference", "candidate": "reference", "reference": "candidate"}[layout]
    assert all(verdict.reason.startswith("shape") for verdict in judged(file, layout=other).failures)


def test_local_dumps_in_a_safetensors_file(port, tmp_path, judged):
    port(1.001).local()
    found = {f"local/{file.stem}": np.load(file) for file in (port().dumps / "local").iterdir()}
    save_file(found, tmp_path / "dumps.safetensors")
    report = judged(tmp_path / "dumps.safetensors")
    assert {(verdict.tap, verdict.mode) for verdict in report.failures} == {
        (f"middle.1[step={step}]", LOCAL) for step in range(3)
    }


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 11), ("bfloat16", 8)])
def test_half_precision_has_the_rounding_of_its_storage_in_the_floor(values, tmp_path, judged, dtype, bits):
    def stored(gain: float) -> Path:
        tensors = {name: torch.from_numpy(array) for name, array in values.items()}
        numbers = {
            name: (t * gain).to(getattr(torch, dtype)) if t.is_floating_point() else t for name, t in tensors.items()
        }
        save_torch(numbers, tmp_path / "half.safetensors")
        return tmp_path / "half.safetensors"

    report = judged(stored(1.0))
    assert report.passed
    assert (
        f"23 dumps are stored in {dtype}: rounding by up to 2^-{bits} of a value is part of their floors"
        in report.program
    )
    ratios = [verdict.ratio32 for verdict in report.verdicts if verdict.ratio32 == verdict.ratio32]
    assert min(ratios) > 0.3 and max(ratios) < 1.1, "one rounding is about one floor"
    assert not judged(stored(1 + 8 * 2.0**-bits)).passed, "an error of some roundings is seen"


def test_whole_numbers_in_half_precision_are_compared_as_numbers(values, tmp_path, judged):
    codes = torch.from_numpy(values["codes"]).to(torch.bfloat16)
    save_torch({"codes": codes}, tmp_path / "codes.safetensors")
    assert judged(tmp_path / "codes.safetensors", only="codes").passed
    save_torch({"codes": codes + 1}, tmp_path / "codes.safetensors")
    assert judged(tmp_path / "codes.safetensors", only="codes").failures[0].reason == "10 unequal values"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-4], "truncated or over-long"),
        (lambda data: data + b"0000", "truncated or over-long"),
        (lambda data: data[:5], "no whole safetensors file"),
        (lambda data: (1 << 40).to_bytes(8, "little") + data[8:], "no whole safetensors file"),
        (lambda data: data.replace(b'"F32"', b'"F99"'), "has dtype F99, expected one of BOOL"),
        (lambda data: data.replace(b"[0,24]", b"[0,20]"), "has 20 bytes"),
        (lambda data: data.replace(b"[24,48]", b"[20,44]"), "overlap, or have gaps"),
    ],
)
def test_a_broken_safetensors_file_is_refused(tmp_path, judged, change, message):
    file = tmp_path / "dumps.safetensors"
    save_file({"a": np.zeros(6, np.float32), "b": np.zeros(6, np.float32)}, file)
    assert b"[0,24]" in file.read_bytes() and b"[24,48]" in file.read_bytes()
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(InputError, match=message):
        judged(file)


@pytest.fixture
def names(tmp_path):
    def write(text: str, suffix: str = ".toml") -> Path:
        (tmp_path / f"names{suffix}").write_text(text)
        return tmp_path / f"names{suffix}"

    return write


MAP = {"s*.block*.linear": "middle.*.linear[step=*]", "model/x*": "refine.state[step=*]", "scratch*": "", "mel": "mu"}


def test_a_ports_own_names_are_translated(values, tmp_path, names, judged):
    own = {"mel": values.pop("mu"), "scratch 1": np.zeros(3, np.float32)}
    own |= {f"model/x{step}": values.pop(f"refine.state[step={step}]") for step in range(3)}
    save_file(values | own, tmp_path / "own.safetensors")
    table = {name: tap for name, tap in MAP.items() if name != "s*.block*.linear"}
    as_toml = "".join(f'"{name}" = "{tap}"\n' for name, tap in table.items())
    for file in (names(as_toml), names(json.dumps(table), ".json")):
        assert judged(tmp_path / "own.safetensors", names=file).passed
    assert not judged(tmp_path / "own.safetensors").passed


@pytest.mark.parametrize(
    ("own", "tap"),
    [
        ("s2.block1.linear", "middle.2.linear[step=1]"),
        ("model/x10", "refine.state[step=10]"),
        ("scratch.y", ""),
        ("mel", "mu"),
        ("mel2", "mel2"),
    ],
)
def test_stars_stand_for_the_same_in_their_order(names, own, tap):
    assert Names(names(json.dumps(MAP), ".json")).tap(own) == tap


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        ('"a*" = "b"', ".toml", r"'a\*' = 'b' has 1 \* on the left and 0 on the right; expected a line like"),
        ('{"a": "b", "c": "d", "a": "e"}', ".json", "not valid JSON: 'a' stands there twice"),
        ('"a" = 3', ".toml", "expected a line like"),
        ("[1, 2]", ".json", "expected a line like"),
        ('"a" = ', ".toml", "not valid TOML"),
        ('{"a"', ".json", "not valid JSON"),
    ],
)
def test_a_map_that_says_nothing_is_refused(names, text, suffix, message):
    with pytest.raises(InputError, match=message):
        Names(names(text, suffix))
    with pytest.raises(InputError, match="cannot be read"):
        Names(Path("nowhere.toml"))


def test_what_the_map_leaves_out_and_lines_that_do_nothing_are_said(values, tmp_path, names, judged):
    path = tmp_path / "dumps"
    report = judged(path, names=names('"middle.*" = ""\n"nothing" = "mu"\n'), allow_missing=True)
    assert report.passed
    assert "12 dumps are left out by the map; 1 lines of the map fit no dump: 'nothing'" in report.program
    assert "map" not in judged(path, names=names('"mu" = "mu"')).program
    with pytest.raises(InputError, match="the map leaves out all of its 24 dumps; nothing would be judged"):
        judged(path, names=names('"*" = ""'))


def test_what_lies_beside_dumps_and_is_none_is_named(values, tmp_path, judged):
    path = tmp_path / "dumps"
    assert "not read" not in judged(path).program
    for folder in ("sub", "Local", "local/local"):
        (path / folder).mkdir(parents=True)
        npy.write(path / folder / "mu.npy", values["mu"] + 1)
    (path / "first[step=0].NPY").write_bytes(b"")
    save_file({"mu": values["mu"]}, path / "dumps.safetensors")
    report = judged(path)
    assert report.passed
    assert "not read: Local/, dumps.safetensors, first[step=0].NPY, sub/, local/local/" in report.program


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": "codes"}, "none of its 1 dumps is of --only 'codes'; there are mu"),
        ({"stage": "refine"}, "none of its 1 dumps is of --stage refine; there are mu"),
    ],
)
def test_what_is_asked_for_and_not_there_is_said(values, tmp_path, judged, options, message):
    for name in values.keys() - {"mu"}:
        (tmp_path / "dumps" / f"{name}.npy").unlink()
    with pytest.raises(InputError, match=message):
        judged(tmp_path / "dumps", allow_missing=True, **options)


def test_messages_about_dumps_are_of_dumps(values, tmp_path, judged):
    path = tmp_path / "dumps"
    with pytest.raises(InputError, match=r"dump: no such folder or file; is dumps meant\?; expected a folder of dumps"):
        judged(tmp_path / "dump")
    npy.write(path / "mu.npy", values["mu"][:, :3])
    (failure,) = judged(path).failures
    assert failure.reason == "shape (2, 8, 3), expected (2, 8, 5); are these the axes of the bundle?"
    (path / "mu.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"mu\.npy: got an empty file; expected an NPY file.*Write it again\."):
        judged(path)


def test_two_dumps_of_one_tap_are_refused(values, tmp_path, names, judged):
    npy.write(tmp_path / "dumps" / "mel.npy", values["mu"])
    with pytest.raises(InputError, match=r"mel\.npy and mu\.npy are both of mu; leave one out"):
        judged(tmp_path / "dumps", names=names('"mel" = "mu"'))


def test_the_first_wrong_dump_is_searched_for_by_the_bundle_alone(port, bundle, capsys):
    port(1.001).free()
    assert main(["bisect", "--golden", str(bundle.folder), "--dumps", str(port().dumps), "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["culprit"] == "middle.1[step=0]"


@pytest.mark.parametrize("way", ["folder", "symlink", "hard link"])
def test_the_bundles_own_files_are_no_dumps(bundle, values, judged, tmp_path, way):
    path, file = tmp_path / "dumps", tmp_path / "dumps" / "mu.npy"
    file.unlink()
    if way == "symlink":
        file.symlink_to(bundle.folder / "mu.npy")
    elif way == "hard link":
        file.hardlink_to(bundle.folder / "mu.npy")
    else:
        path = bundle.folder
    with pytest.raises(InputError, match="these are the bundle's own values; give the folder of what the port wrote"):
        judged(path)


def test_dumps_that_all_equal_the_bundle_are_said_to(bundle, values, judged, tmp_path):
    said = "23 of 23 dumps of floats equal the bundle bit for bit: of floats computed elsewhere that is rare"
    assert said not in judged(tmp_path / "dumps").program
    for name in values:
        npy.write(tmp_path / "dumps" / f"{name}.npy", bundle.load(name))
    report = judged(tmp_path / "dumps")
    assert report.passed and said in report.program
    for name in [*values][5:]:
        (tmp_path / "dumps" / f"{name}.npy").unlink()
    assert "bit for bit" not in judged(tmp_path / "dumps", allow_missing=True).program, "some are exact everywhere"


@pytest.mark.parametrize(
    ("tap", "stale"),
    [("middle.1.linear[step=1]", True), ("first[step=1]", False), ("local/middle.1.linear[step=1]", False)],
)
def test_a_stale_value_is_one_within_a_block_that_is_right(bundle, port, judged, tap, stale):
    made = port()
    made.free()
    made.local()
    file = made.dumps / f"{tap}.npy"
    npy.write(file, npy.read(file) * np.float32(1.01))
    found = judged(made.dumps).diagnosis
    assert ("stale" in found.families) == stale
    assert ("middle.1[step=1] around it is right" in found.sentence()) == stale
