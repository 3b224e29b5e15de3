"""The folder in which MLX builds and loads the kernels of a CPU.

An unusable one ends a run amid its work, where it would look like a port that stops.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

from parity.base.errors import InputError

VARIABLES = ("TMPDIR", "TMP", "TEMP", "TEMPDIR")
"""Where C++ looks for the folder of temporary files, in this order."""
ROOM = 32 * 2**20
"""Bytes that a run's kernels take at most, and a compiler's files beside them."""


def require_kernel_folder() -> None:
    """Raises `InputError` where MLX can build no kernel. Without a compiler it builds none, and nothing is asked."""
    if shutil.which("g++") is None:
        return
    top = Path(next(filter(None, map(os.environ.get, VARIABLES)), "/tmp"))
    folder = top / "mlx" / importlib.metadata.version("mlx") / "cpu"
    there = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), top)
    if wrong := _wrong(top) or _wrong(there):
        raise InputError(
            f"{folder}: MLX cannot build its kernels there ({wrong}); set TMPDIR to a folder of your own on a disk "
            "with room, from which programs may run"
        )


def _wrong(folder: Path) -> str:
    """What is wrong with a folder that is there, in words, or nothing."""
    if not folder.is_dir():
        return f"{folder} is no folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written by you"
    about = os.statvfs(folder)
    if about.f_flag & getattr(os, "ST_NOEXEC", 0):
        return f"{folder} is mounted noexec"
    if about.f_blocks and about.f_bavail * about.f_frsize < ROOM:
        return f"{folder} has {about.f_bavail * about.f_frsize / 2**20:.1f} MiB left, expected {ROOM >> 20}"
    return ""
