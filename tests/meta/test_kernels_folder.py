"""parity.base.kernels: where MLX cannot build its kernels, a command ends at once, and no port is blamed."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from parity.base import kernels
from parity.base.errors import InputError
from tests.meta.conftest import ROOT, TOY

NOEXEC = getattr(os, "ST_NOEXEC", 8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A usable folder of temporary files, in which MLX's own is there."""
    for name in kernels.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    own = tmp_path / "mlx" / importlib.metadata.version("mlx") / "cpu"
    own.mkdir(parents=True)
    kernels.require_kernel_folder()
    return own


def refused(message: str) -> None:
    with pytest.raises(InputError, match=f"MLX cannot build its kernels there .*{message}.*set TMPDIR to a folder"):
        kernels.require_kernel_folder()


def test_a_folder_that_is_not_there(folder, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(folder / "none"))
    refused("is no folder")


def test_a_file_in_the_place_of_mlx_s_own(folder):
    folder.rmdir()
    folder.touch()
    refused("cpu is no folder")


def test_a_folder_of_another(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder)
    refused("cpu cannot be written by you")


@pytest.mark.parametrize(("free", "flag", "message"), [(1, 0, "MiB left, expected 32"), (2**30, NOEXEC, "noexec")])
def test_a_disk_without_room_or_programs(folder, monkeypatch, free, flag, message):
    monkeypatch.setattr(kernels.os, "ST_NOEXEC", NOEXEC, raising=False)
    about = SimpleNamespace(f_flag=flag, f_blocks=2**30, f_bavail=free, f_frsize=1)
    monkeypatch.setattr(os, "statvfs", lambda path: about)
    refused(message)


def test_without_a_compiler_nothing_is_asked(folder, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(folder / "none"))
    monkeypatch.setattr(kernels.shutil, "which", lambda name: None)
    kernels.require_kernel_folder()


@pytest.mark.parametrize(
    "command",
    [
        ["parity", "verify", "--contract", str(TOY)],
        ["parity", "doctor"],
        ["mlx_impl", "speak", "hello", "-o", "none.wav", "--size", "tiny"],
    ],
    ids=" ".join,
)
def test_a_command_ends_in_one_line(tmp_path, command):
    """As any user: a file lies where MLX's folder would be made."""
    (tmp_path / "mlx").touch()
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stdout
    (line,) = (line for line in done.stderr.splitlines() if line.startswith(f"{command[0]}: "))
    assert re.search(rf"{tmp_path}/mlx/.*: MLX cannot build its kernels there", line)
    assert "Traceback" not in done.stderr
    assert not Path("none.wav").exists()
    if command[1] == "doctor":
        assert "cannot be used" in done.stdout
        assert "torch matmul, relative error" in done.stdout
