"""What reads a file of the model says of a Git LFS pointer that lies in its place."""

from __future__ import annotations

from pathlib import Path

from parity.base.pointer import ADVICE, is_pointer


def check_no_pointer(file: Path) -> None:
    """Raises `ValueError` for a pointer. What is no regular file is not read here."""
    if file.is_file() and is_pointer(file):
        raise ValueError(f"{file}: {ADVICE}")
