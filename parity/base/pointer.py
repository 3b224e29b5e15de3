"""Git LFS pointers: three lines of text that lie where a large file should, when only the repository was cloned."""

from __future__ import annotations

import os
from pathlib import Path

BEGIN = b"version https://git-lfs.github.com/spec/"
ADVICE = "it is a Git LFS pointer, not the file that it stands for; run `git lfs pull` where it was cloned"


def is_pointer(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a pointer. Raises `OSError` for one that cannot be read."""
    with Path(path).open("rb") as file:
        return file.read(len(BEGIN)) == BEGIN
