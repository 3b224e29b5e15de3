"""Text, JSON and TOML that others wrote, read within bounds: a file of any size takes no more memory than one of those.

What is too long, or nested too deeply to be followed, is a `ValueError`, as what is malformed is.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST = 1 << 28
"""Bytes of a file of results: that of a whole night has a tenth."""
LONGEST_TOML = 1 << 24
"""Bytes of what people write: a contract of 3794 taps has a thousandth."""


def read_text(path: Path, longest: int = LONGEST) -> str:
    """The text of a file of at most so many bytes. A device or a pipe, which says no size, is read so far.

    Raises `OSError` for a file that cannot be read.
    """
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        size = about.st_size if stat.S_ISREG(about.st_mode) else 0
        content = file.read((size or longest) + 1) if size <= longest else b""
    if max(size, len(content)) > longest:
        raise ValueError(f"more than {longest >> 20} MiB, which none has")
    return content.decode("utf-8")


def read_json(path: Path, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """What a JSON file holds; `pairs` makes its objects. Raises `OSError` and `ValueError`."""
    try:
        return json.loads(read_text(path), object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises `OSError` and `ValueError`."""
    try:
        return tomllib.loads(read_text(path, LONGEST_TOML).replace("\r\n", "\n"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
