"""Dumps of any size: the same numbers as of whole arrays, and little memory."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from parity.base import npy
from parity.base import walk as walking
from parity.base.metrics import difference, rms, rmse
from parity.base.walk import WINDOW, around, walk
from parity.contract import Rule
from parity.judge.verdict import judge
from tests.meta.conftest import ROOT

SMALL = 1 << 12
SHAPES = [(SMALL + 5,), (3, 40, 70), (5, 7, 9, 50), (2, SMALL)]
MEGABYTES = 200


@pytest.fixture
def little(monkeypatch):
    """What takes many pieces and tiles is little."""
    monkeypatch.setattr(walking, "WINDOW", SMALL)
    monkeypatch.setattr(walking, "PIECE", SMALL >> 4)
    monkeypatch.setattr(walking, "SPAN", SMALL)


@pytest.fixture
def stored(tmp_path):
    """Stores an array in an order of its axes, and maps it, in the order that it had."""

    def store(array: np.ndarray, name: str, order: tuple[int, ...]) -> np.ndarray:
        npy.write(tmp_path / f"{name}.npy", np.ascontiguousarray(array.transpose(order)))
        return npy.read(tmp_path / f"{name}.npy", mmap=True).transpose(np.argsort(order))

    return store


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turned", [(False, False), (True, True), (True, False), (False, True)])
def test_numbers_of_mapped_files_are_those_of_whole_arrays(little, stored, shape, turned):
    rng = np.random.Generator(np.random.Philox(key=5))
    reference = rng.standard_normal(shape, dtype=np.float32)
    candidate = reference + np.float32(1e-3) * rng.standard_normal(shape, dtype=np.float32)
    worst = tuple(length - 2 for length in shape)
    candidate[worst] = 9
    plain = tuple(range(len(shape)))
    back = (plain[0], *reversed(plain[1:]))
    ours, theirs = (
        stored(array, name, back if other else plain)
        for array, name, other in zip((candidate, reference), "ab", turned, strict=True)
    )
    found = difference(ours, theirs)
    delta = candidate.astype(np.float64) - reference
    wide = reference.astype(np.float64)
    assert (found.max_abs, found.where) == (np.abs(delta).max(), worst)
    expected = [rms(delta), rms(reference), np.vdot(candidate, wide) / np.vdot(wide, wide)]
    assert [found.rmse, found.reference_rms, found.gain] == pytest.approx(expected, rel=1e-12)
    assert found.rmse == pytest.approx(rmse(candidate, reference), rel=1e-12)


@pytest.mark.parametrize("shape", [*SHAPES, (3, 300), (4,), ()])
def test_every_element_is_walked_once_and_its_place_is_known(little, shape):
    numbers = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    seen = np.zeros(numbers.size, np.int8)
    for place, (part, same) in walk(numbers, np.asfortranarray(numbers)):
        assert part.size <= walking.PIECE
        np.testing.assert_array_equal(part, same)
        seen[part.ravel()] += 1
        for number in (0, part.size - 1):
            assert numbers[place.at(number)] == part.ravel()[number]
    assert (seen == 1).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_runs_are_consecutive_in_any_order_in_memory(little, shape):
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    for array in (numbers, np.asfortranarray(numbers)):
        runs = list(walking.consecutive(array, 100))
        assert [start for start, _ in runs] == [int(run[0]) for _, run in runs]
        np.testing.assert_array_equal(np.concatenate([run for _, run in runs]), np.arange(numbers.size))


@pytest.mark.parametrize("where", [(0, 0, 0), (2, 999, 1699), (1, 500, 3)])
def test_the_part_around_an_element_has_it(where):
    shape = (3, 1000, 1700)
    part = around(where, shape, WINDOW)
    assert all(inside.start <= at < inside.stop for at, inside in zip(where, part, strict=True))
    assert np.empty(shape, np.bool_)[part].size <= WINDOW
    assert around((1, 1), (4, 5), 20) == (slice(0, 4), slice(0, 5))


@pytest.mark.parametrize("wrong", [0, 3])
def test_masked_and_whole_numbers_are_judged_as_in_one_piece(stored, monkeypatch, wrong):
    """Of the same arrays, walked in pieces and as wholes."""
    rule = Rule("*", "*", 2.0, 2.0, "")
    rng = np.random.Generator(np.random.Philox(key=6))
    reference = rng.standard_normal((7, 900), dtype=np.float32)
    reference[:, 100:200] = -1e10
    candidate = reference + np.float32(1e-7) * (reference > -1e9)
    candidate[:wrong, 5] += 1
    verdicts = []
    for window in (1 << 20, 1 << 10):
        monkeypatch.setattr(walking, "WINDOW", window)
        monkeypatch.setattr(walking, "PIECE", window >> 2)
        numbers = [(array[:, :100] * 1e3).astype(np.int32) for array in (candidate, reference)]
        for ours, theirs in ((candidate, reference), numbers):
            ours, theirs = stored(ours, "ours", (0, 1)), stored(theirs, "theirs", (1, 0))
            verdicts.append(judge("tap", "", "local", rule, ours, theirs, None, 1e-7))
    assert [verdict.passed for verdict in verdicts[::2]] == [not wrong] * 2
    for whole, pieces in zip(verdicts[:2], verdicts[2:], strict=True):
        assert (whole.passed, whole.reason, whole.where) == (pieces.passed, pieces.reason, pieces.where)
        assert (whole.rmse, whole.gain) == pytest.approx((pieces.rmse, pieces.gain), rel=1e-12, nan_ok=True)


def test_memory_does_not_grow_with_the_size_of_a_tap(tmp_path):
    """What is right, in another order of axes, in half precision, whole numbers, a record, and what is wrong."""
    for what in ("make", "judge"):
        command = [sys.executable, "-m", "tests.meta.big_dumps", what, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["passed"] == dict.fromkeys(("right", "turned", "half", "codes", "record"), True) | {"wrong": False}
    assert found["megabytes"] > MEGABYTES
    assert max(found["peaks"].values()) <= MEGABYTES, found
