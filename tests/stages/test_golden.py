"""The stored goldens of the tiny case: whole, up to date, and met by both sides as they are today."""

from pathlib import Path

import pytest
import torch

from fixtures.cases import load as load_case
from fixtures.cases import synthetic_checkpoint
from parity.base import npy
from parity.base.errors import InputError
from parity.base.files import file_sha256
from parity.capture.golden import Golden
from parity.contract import load as load_contract
from parity.run import dumps as offline

FOLDER = Path("fixtures/golden/tiny")
MADE_WITH = "AVX512"  # by PyTorch's name


@pytest.fixture(scope="module")
def contract():
    return load_contract(Path("fixtures/contract.toml"))


@pytest.fixture(scope="module")
def golden():
    return Golden(FOLDER)


def test_holds_every_tap_of_the_contract(contract, golden):
    names = [tap.name for segment in contract.segments(load_case("tiny").dims) for tap in segment.taps]
    assert list(golden) == names
    assert all(golden.load(name).size for name in names)
    assert sorted(path.name for path in FOLDER.glob("*.npy")) == sorted(f"{name}.npy" for name in names)


def test_some_are_in_fortran_order_because_the_tensors_are(golden):
    fortran = [name for name, entry in golden.entries.items() if entry["fortran_order"]]
    assert "mu" in fortran  # a (1, M, C) tensor transposed
    assert len(fortran) < len(golden)
    assert all(golden.load(name).flags.f_contiguous for name in fortran)


def test_was_made_from_the_inputs_and_the_checkpoint_of_today(golden):
    case = load_case("tiny")
    assert golden.manifest["inputs"] == {name: npy.canonical_sha256(array) for name, array in case.inputs.items()}
    checkpoint = synthetic_checkpoint(case)
    made = golden.manifest["checkpoint"]
    assert made == {name: file_sha256(checkpoint / name) for name in made}
    assert {"s3gen.safetensors", "t3_cfg.safetensors", "ve.safetensors", "tokenizer.json"} <= made.keys()


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_is_met_by_a_side(contract, golden, tmp_path, side):
    case = load_case("tiny")
    offline.capture(contract, case, synthetic_checkpoint(case), side, tmp_path / side)
    report = offline.compare(contract, golden, tmp_path / side)
    assert len(report.verdicts) == report.expected >= len(golden)
    if side == "reference" and torch.backends.cpu.get_cpu_capability() != MADE_WITH:
        # With AVX2 PyTorch rounds its convolutions two to four times as much: up to 2.3 floors of AVX-512's.
        assert all(verdict.headroom > 0.5 for verdict in report.failures)
    else:
        assert not report.failures


def test_an_altered_golden_is_refused(golden, tmp_path):
    for path in FOLDER.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    file = tmp_path / "mu.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"mu\.npy: its content was altered"):
        Golden(tmp_path).load("mu")
