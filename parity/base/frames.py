"""Where an exception was raised: the lines of somebody's own source, without those of libraries."""

from __future__ import annotations

import traceback
from pathlib import Path

LIBRARIES = ("parity", "mlx", "torch", "numpy", "contextlib", "functools", "concurrent", "threading")
"""Packages whose lines do not say what to correct."""
FOLDER: list[Path] = []
"""The folder that paths are told from, where that is not the working directory."""
SHOWN = 3
"""Lines that are told, the innermost first."""


def own(error: BaseException) -> list[tuple[str, int]]:
    """The file and line of each frame that an exception came through and that lies in no library, innermost first."""
    return [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] not in LIBRARIES
    ][::-1]


def innermost(error: BaseException) -> str:
    """The last line of the model's own that an exception came through."""
    return next((f"{file}:{line}" for file, line in own(error)), "an unknown place")


def told(error: BaseException) -> str:
    """The exception, and the innermost lines of it that lie in no library.

    >>> def port():
    ...     raise ValueError("no numbers")
    >>> try:
    ...     port()
    ... except ValueError as error:
    ...     told(error).partition(" at ")[0]
    'ValueError: no numbers'
    """
    lines = ", called at ".join(f"{_short(file)}:{line}" for file, line in own(error)[:SHOWN])
    return f"{type(error).__name__}: {error}" + (f" at {lines}" if lines else "")


def _short(file: str) -> str:
    """The path from the working directory, where the file lies below it."""
    path, folder = Path(file), (FOLDER or [Path.cwd()])[0]
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file
