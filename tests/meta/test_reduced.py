"""Reduced dumps: the record of an array, and how far its verdict goes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, norm

from parity import contract as contracts
from parity.base import npy, reduced
from parity.base.errors import InputError
from parity.base.reduced import Record
from parity.capture.golden import Golden
from parity.contract import LOCAL
from parity.judge.reduced import chance, seen
from parity.judge.verdict import ONE_IN_100_000
from parity.run import dumps as offline
from tests.meta import toy
from tests.meta.foreign_port import Port
from writers import parity_reduced

PAGE = Path(offline.__file__).with_name("format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bundle(toy_contract, toy_checkpoint, tmp_path_factory) -> Golden:
    out = tmp_path_factory.mktemp("reduced") / "bundle"
    offline.capture(toy_contract, toy.load("tiny"), toy_checkpoint, "reference", out, bundle="candidate")
    return Golden(out)


@pytest.fixture
def judged(bundle, toy_checkpoint, tmp_path):
    """Judges a port's values of which some taps are reduced. `change` turns each value into what is dumped."""

    def judge(gain: float = 1.0, leading: int | None = 2, change=lambda name, array: array, **options):
        port = Port(bundle.folder, toy_checkpoint / toy.WEIGHTS, tmp_path / "dumps", gain)
        port.free()
        for file in sorted(port.dumps.glob("*.npy")):
            array = change(file.stem, np.load(file))
            reduced.reduced(array, leading and min(leading, array.ndim)).save(file.with_suffix(".json"))
            file.unlink()
        return offline.compare(contracts.load(bundle.folder / "contract.toml"), bundle, port.dumps, **options)

    return judge


def test_the_example_of_the_page():
    assert [f"0x{number:016X}" for number in reduced.sequence(0, 3)] == re.findall(r"0x[0-9A-F]{16}\b", PAGE)[-3:]
    record = reduced.reduced(np.arange(8, dtype=np.float32).reshape(2, 4) / 4, 1, 4)
    assert record.hash in PAGE
    assert record.values.tolist() == [0.5, 0.5, -1.5, -1, 0.5, 1, 2, -2.5]
    assert "0.5, 0.5, -1.5, -1 (slice 0) and 0.5, 1, 2, -2.5 (slice 1)" in PAGE


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize(("shape", "leading"), [((3, 4, 5), 2), ((2, 9000, 3), 1), ((2, 9000, 3), 0), ((7,), 1)])
def test_a_record_is_that_of_the_writer_that_is_handed_out(dtype, shape, leading):
    array = (np.random.Generator(np.random.Philox(key=1)).standard_normal(shape) * 3).clip(0).astype(dtype)
    if array.dtype.kind == "f":
        array.reshape(-1)[-1] = np.nan
    theirs = json.loads(parity_reduced.record(array, leading))
    ours = reduced.reduced(array, leading)
    for key in ("shape", "dtype", "leading", "projections", "hash", "nonfinite"):
        assert theirs[key] == (list(ours.shape) if key == "shape" else getattr(ours, key)), key
    assert [theirs[key] for key in ("rms", "min", "max")] == pytest.approx([ours.rms, ours.min, ours.max], rel=1e-12)
    assert theirs["values"] == pytest.approx(ours.values.tolist(), rel=1e-12, abs=1e-10)


def test_the_hash_is_of_numbers_and_not_of_how_wide_they_are_stored():
    tokens = np.array([[-3, 5], [0, 7]])
    assert reduced.reduced(tokens).hash == reduced.reduced(tokens.astype(np.int8)).hash
    assert reduced.reduced(tokens).hash != reduced.reduced(tokens[::-1]).hash
    floats = tokens.astype(np.float32)
    assert reduced.reduced(floats).hash == reduced.reduced(np.asfortranarray(floats)).hash
    assert reduced.reduced(floats).hash != reduced.reduced(np.nextafter(floats, np.float32(9))).hash


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = reduced.reduced(np.random.Generator(np.random.Philox(key=2)).standard_normal((4, 6, 8)), 2)
    record.save(tmp_path / "a.json")
    again = reduced.load(tmp_path / "a.json")
    np.testing.assert_array_equal(again.values, record.values)
    assert again.shape == record.shape and again.hash == record.hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.update(reduced=2), "its version is 2"),
        (lambda about: about["values"].pop(), "do not fit"),
        (lambda about: about.update(leading=9), "do not fit"),
        (lambda about: about.update(projections=65), "65 projections, expected 16 to 64"),
        (lambda about: about.update(projections=15, values=about["values"][:30]), "15 projections, expected 16 to 64"),
        (lambda about: about.update(hash="12"), "do not fit"),
        (lambda about: about.update(hash="0123456789ABCDEF"), "do not fit"),
        (lambda about: about.update(dtype="foo"), "do not fit"),
        (lambda about: about.update(values=[]), "do not fit"),
        (lambda about: about.update(nonfinite=7), "do not fit"),
        (lambda about: about.update(nonfinite=-1), "its counts are"),
        (lambda about: about.update(shape=[2, 3.0]), "its counts are"),
        (lambda about: about.update(min=2), "do not fit"),
        (lambda about: about.update(rms=1.1), "do not fit"),
        (lambda about: about.update(rms=0.3), "do not fit"),
        (lambda about: about.update(max=float("inf")), "do not fit"),
        (lambda about: about["values"].__setitem__(0, 5), "do not fit"),
        (lambda about: about.pop("rms"), "no reduced dump"),
        (lambda about: about.update(more=1), "no reduced dump"),
    ],
)
def test_a_record_that_does_not_keep_the_format_is_refused(tmp_path, change, message):
    file = tmp_path / "a.json"
    reduced.reduced(np.ones((2, 3)), 1).save(file)
    about = json.loads(file.read_text())
    change(about)
    file.write_text(json.dumps(about))
    with pytest.raises(InputError, match=message):
        reduced.load(file)
    file.write_text("[1]")
    with pytest.raises(InputError, match="no reduced dump"):
        reduced.load(file)


def test_a_right_port_passes_and_the_report_says_how_far_that_goes(judged):
    report = judged()
    assert report.passed
    assert len(report.verdicts) == report.expected == 42
    assert "23 dumps are reduced and judged as far as their projections go: an error of 1.6 bounds" in report.program
    assert "once in 100 000 times" in report.program
    ratios = [verdict.ratio32 for verdict in report.verdicts if verdict.ratio32 == verdict.ratio32]
    assert len(ratios) == 41 and 0 < max(ratios) < 5


def test_a_wrong_block_fails_at_its_tap_and_the_slice_is_named(judged):
    report = judged(1.001)
    first = report.first_failure
    assert first.label == "middle.1[step=0,cond]"
    assert re.fullmatch(r"ratio32 [\d.e+]+ > [\d.]+, most in the slice g \d, t \d", first.reason)
    assert first.gain == pytest.approx(1.001, abs=1e-5)
    assert report.diagnosis.note == "it is reduced, so its values cannot be looked at"


def test_an_estimate_is_the_error_within_chance():
    rng = np.random.Generator(np.random.Philox(key=3))
    for shape in ((2, 40, 50), (3, 4, 2000)):
        values = rng.standard_normal(shape)
        known = reduced.reduced(values, 1)
        for _ in range(40):
            error = 1e-6 * rng.standard_normal(shape) * (rng.random(shape) < rng.random())
            found = reduced.reduced(values + error, 1)
            estimate = np.sqrt(np.mean((found.values - known.values) ** 2) / (shape[1] * shape[2]))
            true = np.sqrt(np.mean(error**2))
            assert chance(known.values.size, -ONE_IN_100_000) < estimate / true < chance(known.values.size)


@pytest.mark.parametrize("projections", [16, 64, 1600])
def test_chance_is_that_of_the_chi_square_distribution(projections):
    tail = norm.sf(ONE_IN_100_000)
    for found, probability in ((chance(projections), 1 - tail), (chance(projections, -ONE_IN_100_000), tail)):
        assert found == pytest.approx(np.sqrt(chi2.ppf(probability, projections) / projections), rel=0.05)
    assert seen(projections) == pytest.approx(chance(projections) / chance(projections, -ONE_IN_100_000))
    assert seen(1) == np.inf


def codes(name: str, array: np.ndarray) -> np.ndarray:
    return array + (name == "codes")


def not_a_number(name: str, array: np.ndarray) -> np.ndarray:
    return np.where(np.arange(array.size).reshape(array.shape) == 3, np.nan, array) if name == "mu" else array


@pytest.mark.parametrize(
    ("change", "tap", "message"),
    [
        (codes, "codes", "its hash is another"),
        (not_a_number, "mu", "1 of 80 values are NaN or infinite"),
        (lambda name, array: array[:, :4] if name == "mu" else array, "mu", r"shape \(2, 4, 8\), expected \(2, 5, 8\)"),
        (lambda name, array: array.astype(int) if name == "mu" else array, "mu", "a record of int64, expected one of"),
    ],
)
def test_what_a_record_shows_to_be_wrong(judged, change, tap, message):
    (failure,) = judged(change=change).failures
    assert failure.tap == tap
    assert re.search(message, failure.reason)


@pytest.fixture
def edited(bundle, tmp_path):
    """Judges one record of `mu`, made of the bundle's values after `change`, whose numbers `edit` then changes."""

    def judge(change, edit):
        values = bundle.load("mu")
        record = reduced.reduced((values + change).astype(np.float32), 1)
        replace(record, **edit(record, reduced.reduced(values, 1))).save(tmp_path / "mu.json")
        (tmp_path / "dumps").mkdir()
        (tmp_path / "mu.json").rename(tmp_path / "dumps" / "mu.json")
        contract = contracts.load(bundle.folder / "contract.toml")
        return offline.compare(contract, bundle, tmp_path / "dumps", allow_missing=True)

    return judge


@pytest.mark.parametrize(
    ("change", "edit"),
    [
        (1, lambda record, right: {"hash": right.hash}),
        (0, lambda record, right: {"rms": right.rms * 1.001}),
        (0, lambda record, right: {"min": right.min - 1}),
        (0, lambda record, right: {"max": right.max + 1}),
        (0, lambda record, right: {"values": right.values + 1e-3}),
    ],
)
def test_a_record_with_the_bundles_hash_and_other_numbers_is_refused(edited, change, edit):
    with pytest.raises(
        InputError, match=r"mu\.json: its numbers do not fit each other: its hash is the bundle's, but its"
    ):
        edited(change, edit)


@pytest.mark.parametrize(
    ("change", "edit", "reason"),
    [
        (0, lambda record, right: {"hash": "0" * 16}, ""),
        (1e-8, lambda record, right: {}, ""),
        (1, lambda record, right: {"values": right.values}, "its rms is"),
        (0, lambda record, right: {"hash": "0" * 16, "rms": right.rms * 1.001}, "its rms is"),
        (0, lambda record, right: {"hash": "0" * 16, "min": right.min - 1}, "its min is"),
        (0, lambda record, right: {"hash": "0" * 16, "max": right.max + 1}, "its max is"),
    ],
)
def test_what_the_projections_do_not_explain_fails(edited, change, edit, reason):
    report = edited(change, edit)
    assert report.passed == (not reason)
    assert all(reason in verdict.reason for verdict in report.verdicts)
    assert "inf" not in report.program


def test_the_extremes_are_of_finite_values():
    record = reduced.reduced(np.array([np.nan, 2, 3, np.inf], np.float32))
    assert (record.min, record.max, record.nonfinite) == (2, 3, 2) and record.sound
    nothing = reduced.reduced(np.full(3, np.nan, np.float32))
    assert (nothing.min, nothing.max, nothing.rms) == (0, 0, 0) and nothing.sound


def test_the_axis_that_is_split_has_to_be_kept(judged):
    reasons = {verdict.reason for verdict in judged(leading=0).failures}
    assert reasons == {"its 0 leading axes of 'g t c' lack the axis that is split; keep more of them"}


def test_equal_values_are_equal_by_their_hash(bundle, judged):
    report = judged(change=lambda name, array: bundle.load(name))
    assert report.passed
    assert {verdict.rmse for verdict in report.verdicts if verdict.rmse == verdict.rmse} == {0.0}


def test_the_layout_is_the_one_that_is_named(bundle, judged):
    def turned(name: str, array: np.ndarray) -> np.ndarray:
        return array.swapaxes(1, 2) if array.ndim == 3 and name != "embedding" and "linear" not in name else array

    assert judged(change=turned, layout="reference").passed


def test_local_records_and_arrays_beside_them(bundle, toy_checkpoint, tmp_path):
    port = Port(bundle.folder, toy_checkpoint / toy.WEIGHTS, tmp_path / "dumps", 1.001)
    port.local()
    for file in (tmp_path / "dumps" / "local").glob("middle.*"):
        reduced.reduced(np.load(file), 1).save(file.with_suffix(".json"))
        file.unlink()
    (tmp_path / "dumps" / "local" / "notes.json").write_text('{"machine": "mine"}')
    report = offline.compare(contracts.load(bundle.folder / "contract.toml"), bundle, tmp_path / "dumps")
    assert {(verdict.tap, verdict.mode) for verdict in report.failures} == {
        (f"middle.1[step={step}]", LOCAL) for step in range(3)
    }


def test_a_tap_that_is_dumped_twice_is_refused(bundle, judged, tmp_path):
    judged()
    npy.write(tmp_path / "dumps" / "mu.npy", bundle.load("mu"))
    with pytest.raises(InputError, match=r"mu\.json and mu\.npy are both of mu"):
        offline.compare(contracts.load(bundle.folder / "contract.toml"), bundle, tmp_path / "dumps")


def test_an_empty_array_has_a_record():
    record = reduced.reduced(np.zeros((2, 0), np.float32), 1)
    assert isinstance(record, Record) and record.values.tolist() == [0.0] * 32
