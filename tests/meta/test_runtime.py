"""parity.base.runtime: full float32 unless the caller says otherwise, and PyTorch's BLAS before MLX or not at all."""

import ctypes
import os
import sys
from pathlib import Path

import mlx.core  # noqa: F401 - imported, as it must not be before the first prepare()
import pytest

from parity.base import runtime
from parity.base.errors import InputError


@pytest.fixture
def on_linux(monkeypatch) -> list[Path]:
    """A Linux process that has prepared nothing; what it would load."""
    library, loaded = Path("libtorch_cpu.so"), []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(runtime, "_torch_library", lambda: library)
    monkeypatch.setattr(runtime, "_loaded", [])
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda path, mode=0: loaded.append(path) if path else None)
    monkeypatch.delenv("PARITY_BLAS", raising=False)
    return loaded


def test_tf32_is_off_unless_asked_for(monkeypatch):
    monkeypatch.delenv("MLX_ENABLE_TF32", raising=False)
    runtime.prepare()
    assert os.environ["MLX_ENABLE_TF32"] == "0"
    monkeypatch.setenv("MLX_ENABLE_TF32", "1")
    runtime.prepare()
    assert os.environ["MLX_ENABLE_TF32"] == "1"


def test_pytorchs_blas_is_loaded_once_and_before_mlx(on_linux, monkeypatch):
    monkeypatch.delitem(sys.modules, "mlx.core")
    assert (runtime.prepare(), runtime.prepare()) == ("torch", "torch")
    assert on_linux == ["libtorch_cpu.so"]


def test_after_mlx_its_own_blas_is_kept(on_linux):
    assert runtime.prepare() == "plain"
    assert on_linux == []


def test_plain_blas(on_linux, monkeypatch):
    monkeypatch.setenv("PARITY_BLAS", "plain")
    assert runtime.prepare() == "plain"
    monkeypatch.setenv("PARITY_BLAS", "torch")
    monkeypatch.setattr(runtime, "_torch_library", lambda: None)  # PyTorch is not installed
    assert runtime.prepare() == "plain"
    assert on_linux == []


def test_other_platforms_keep_their_own(on_linux, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert runtime.prepare() == "platform"
    assert on_linux == []


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the allocator is not glibc's")
def test_glibc_takes_what_it_is_told(monkeypatch):
    mallopt, answers = ctypes.CDLL(None).mallopt, []
    glibc = type("Library", (), {"mallopt": lambda self, *setting: answers.append(mallopt(*setting))})()
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda path: glibc)
    runtime._tune_memory()
    assert answers == [1, 1, 1]
    assert mallopt(runtime.M_MXFAST, 2 * runtime.LARGEST_FAST_BYTES) == 0  # as it says of what it does not take


def test_an_unknown_choice_is_refused(monkeypatch):
    monkeypatch.setenv("PARITY_BLAS", "fast")
    with pytest.raises(InputError, match="PARITY_BLAS='fast': expected 'torch' or 'plain'"):
        runtime.prepare()
