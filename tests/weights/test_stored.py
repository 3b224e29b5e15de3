"""Cases whose weights are rounded, or kept in files of another kind: equal in double, and a reader at fault is seen."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from fixtures import cases, stored
from fixtures.cases.weights import CASES
from mlx_impl.weights.stored import number, reader
from parity import contract as contracts
from parity.run.exact import Exact
from parity.run.verify import Verifier
from spec.files.safetensors_file import read_header

CONTRACT = contracts.load(Path(stored.__file__).with_name("contract.toml"))


@pytest.mark.parametrize("name", CASES)
def test_both_sides_compute_with_the_same_numbers(name):
    case = cases.load(name)
    assert Exact(CONTRACT, case, cases.synthetic_checkpoint(case)).run().passed


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("tiny-flow-swift", lambda array, dtype: array * np.float32(1.01)),
        ("tiny-t3-stored-float16", lambda array, dtype: number.decode(array, dtype) * np.float32(1.01)),
    ],
)
def test_numbers_that_are_read_wrongly_are_seen(monkeypatch, name, fault):
    monkeypatch.setattr(reader, "decode", fault)
    case = cases.load(name)
    assert not Verifier(CONTRACT, case, cases.synthetic_checkpoint(case)).run().passed


def test_the_sides_files_are_of_two_kinds():
    folder = cases.synthetic_checkpoint(cases.load("tiny-t3-packed"))
    ours, theirs = (read_header(place / "t3_cfg.safetensors") for place in (folder, folder / stored.CONVERTED))
    assert {entry.dtype for entry in ours.entries.values()} == {"F32"}
    assert {entry.dtype for entry in theirs.entries.values()} == {"F32", "U32"}
    assert list(ours.entries) == sorted(ours.entries, reverse=True)


def test_whole_steps_are_what_codes_hold():
    weight = np.random.default_rng(0).standard_normal((3, 128)).astype(np.float32)
    rounded = stored.steps(weight)
    assert np.array_equal(mx.dequantize(*mx.quantize(mx.array(rounded), 64, 4), 64, 4), rounded)
    assert not np.array_equal(mx.dequantize(*mx.quantize(mx.array(weight), 64, 4), 64, 4), weight)
    assert 0 < np.abs(rounded - weight)[:, 2:64].max() < np.abs(weight).max() / 5
