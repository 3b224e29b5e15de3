"""Where an exception was raised: the lines of somebody's own source, without those of libraries."""

from __future__ import annotations

import traceback
from pathlib import Path

LIBRARIES = ("parity", "mlx", "torch", "numpy", "contextlib", "functools", "concurrent", "threading", "importlib")
"""Packages whose lines do not say what to correct."""
LONGEST = 400
"""Characters of an exception's own text that are told."""
FOLDER: list[Path] = []
"""The folder that paths are told from, where that is not the working directory."""


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
    """The exception, and the lines that it came through and that lie in no library, the innermost first.

    A line is told once, however often it stands in a recursion.

    >>> def port():
    ...     raise ValueError("no numbers")
    >>> try:
    ...     port()
    ... except ValueError as error:
    ...     told(error).partition(" at ")[0]
    'ValueError: no numbers'
    """
    lines = ", called at ".join(dict.fromkeys(f"{_short(file)}:{line}" for file, line in own(error)))
    text = str(error)
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return f"{type(error).__name__}: {text}" + (f" at {lines}" if lines else "")


def _short(file: str) -> str:
    """The path from the working directory, where the file lies below it."""
    path, folder = Path(file), (FOLDER or [Path.cwd()])[0]
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file
