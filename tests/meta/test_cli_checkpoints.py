"""A checkpoint that is not whole, or not of this model, is refused with exit code 2 on either side, never judged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from parity.cli import main
from tests.meta.conftest import ROOT

S3GEN = "s3gen.safetensors"
KEY = "flow.encoder_proj.weight"
Tensors = dict[str, np.ndarray]


def missing(tensors: Tensors) -> None:
    del tensors[KEY]


def unknown(tensors: Tensors) -> None:
    tensors["flow.encoder_proj.scale"] = np.ones(3, dtype=np.float32)


def misshaped(tensors: Tensors) -> None:
    tensors[KEY] = np.ascontiguousarray(tensors[KEY].T)


def half(tensors: Tensors) -> None:
    tensors[KEY] = tensors[KEY].astype(np.float16)


def nan(tensors: Tensors) -> None:
    tensors[KEY][3, 4] = np.nan


def infinite(tensors: Tensors) -> None:
    tensors[KEY][3, 4] = np.inf


CHANGES: dict[Callable[[Tensors], None], str] = {
    missing: "missing: the key that fills encoder_proj.weight",
    unknown: "unknown: flow.encoder_proj.scale",
    misshaped: "encoder_proj.weight has shape (32, 80)",
    half: "flow.encoder_proj.weight has dtype",
    nan: "flow.encoder_proj.weight holds NaN or infinite weights",
    infinite: "flow.encoder_proj.weight holds NaN or infinite weights",
}


@pytest.fixture(scope="module")
def flow_tensors(tiny_checkpoint) -> Tensors:
    tensors = load_file(tiny_checkpoint / S3GEN)
    return {name: array for name, array in tensors.items() if name.startswith("flow.")}


@pytest.fixture
def refused(monkeypatch, tmp_path, capsys) -> Callable[[str, Path], str]:
    """Loads a checkpoint on one side, which must be refused; gives the message."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def refused(side: str, checkpoint: Path) -> str:
        out = tmp_path / "out"
        command = ["capture", "--case", "tiny-flow", "--side", side, "--checkpoint", str(checkpoint)]
        assert main([*command, "--out", str(out)]) == 2
        assert not out.exists()
        printed = capsys.readouterr()
        assert printed.out == ""
        progress, error = printed.err.splitlines()
        assert progress == f"1 of 11, encoder: {side}"
        assert error.startswith(f"parity: side '{side}': {checkpoint / S3GEN}")
        return error

    return refused


@pytest.mark.parametrize("side", ["reference", "candidate"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_wrong_tensors(refused, flow_tensors, tmp_path, side, change):
    tensors = {name: array.copy() for name, array in flow_tensors.items()}
    change(tensors)
    save_file(tensors, tmp_path / S3GEN)
    assert CHANGES[change] in refused(side, tmp_path)


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_whole_tensors_are_taken(flow_tensors, tmp_path, monkeypatch, side):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    save_file(flow_tensors, tmp_path / S3GEN)
    command = [
        "capture",
        "--case",
        "tiny-flow",
        "--side",
        side,
        "--checkpoint",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(command) == 0


@pytest.mark.parametrize("side", ["reference", "candidate"])
@pytest.mark.parametrize("keep", [0, 4, 1000, -1])
def test_a_truncated_file(refused, tiny_checkpoint, tmp_path, side, keep):
    (tmp_path / S3GEN).write_bytes((tiny_checkpoint / S3GEN).read_bytes()[:keep])
    assert "not a whole safetensors file" in refused(side, tmp_path)


@pytest.mark.parametrize("side", ["reference", "candidate"])
@pytest.mark.parametrize("name", ["", "nowhere"])
def test_no_file(refused, tmp_path, side, name):
    assert "no such file; expected a checkpoint directory" in refused(side, tmp_path / name)


def test_verify_refuses_it_too(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["verify", "--case", "tiny-flow", "--checkpoint", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert "no such file" in printed.err
    assert "PASS" not in printed.out + printed.err
