"""Files and folders that are written whole or not at all, and the digest of a file."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.base.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new name beside `path`, for a file or a folder that takes the place of `path` when the block has ended.

    A block that fails leaves nothing behind, and `path` as it was. Raises `InputError` where it cannot be written.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        with _writing(path):
            if partial.is_dir() and path.exists():  # a folder replaces none that has files
                os.replace(path, partial.with_suffix(".old"))
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True) if partial.is_file() else shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(partial.with_suffix(".old"), ignore_errors=True)


def write_text(text: str, path: Path) -> None:
    """Write a file whole or not at all. Raises `InputError` where that cannot be done."""
    with replacing(path) as partial, _writing(path):
        partial.write_text(text, encoding="utf-8")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # `.` and `/` have no name to write to
        raise InputError(f"{path}: cannot be written ({error}); give another name") from error


def require_folder(path: Path | None) -> None:
    """Raises `InputError` where the folder of a file that is to be written is not there. None and `-` need none."""
    if path is not None and path != Path("-") and not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or name another file")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
