"""The block of docs/any-language.md from the file that its program in C wrote, by MLX-C and an older MLX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parity.exact import mlxfn
from parity.prove import prove
from tests.docs.markdown import ROOT, blocks
from tests.docs.session import Session

FILE = Path(__file__).parent / "block.mlxfn"
PAGE = ROOT / "docs" / "any-language.md"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the page's commands run, and this process with them, after the first one."""
    found = blocks(PAGE.read_text())
    made = Session(found, tmp_path).until(next(block for block in found if block.runs))
    assert made.code == 0, made.output
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_it_is_of_the_version_that_mlx_c_has() -> None:
    assert mlxfn.read(FILE).version == "0.31.2"


def test_what_c_wrote_is_proven(page: Path) -> None:
    proven = prove("torch_block:block", str(FILE), [page / "x-40.npz"])
    assert proven.proven
    assert proven.outputs[0].error <= 1e-13


def test_another_convolution_is_not(page: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file("weights.safetensors")
    save_file(weights | {"conv.weight": np.ascontiguousarray(weights["conv.weight"][..., ::-1])}, "weights.safetensors")
    assert not prove("torch_block:block", str(FILE), [page / "x-40.npz"]).proven
