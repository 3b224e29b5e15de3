"""Where an exception was raised: the lines of somebody's own source, without those of libraries."""

from __future__ import annotations

import traceback
from pathlib import Path

from parity.base.makers import makers

LIBRARIES = ("parity", "mlx", "torch", "numpy", "contextlib", "functools", "concurrent", "threading", "importlib")
"""Packages whose lines do not say what to correct."""
INNERMOST, MADE = 3, 6
"""Lines of which it is told what made their values, and so many of those lines at most, the nearest."""
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

    A line is told once, however often it stands in a recursion. Behind them stand the lines above the innermost ones
    that made the values there: a shape is wrong before it fits nowhere.

    >>> def port():
    ...     raise ValueError("no numbers")
    >>> try:
    ...     port()
    ... except ValueError as error:
    ...     told(error).partition(" at ")[0]
    'ValueError: no numbers'
    """
    places = list(dict.fromkeys(own(error)))
    made = dict.fromkeys((file, line) for file, at in places[:INNERMOST] for line in makers(file, at)[:MADE])
    lines = ", called at ".join(f"{_short(file)}:{line}" for file, line in places)
    values = ", ".join(f"{_short(file)}:{line}" for file, line in made if (file, line) not in places)
    text = str(error)
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return (
        f"{type(error).__name__}: {text}"
        + (f" at {lines}" if lines else "")
        + (f"; values made at {values}" if values else "")
    )


def _short(file: str) -> str:
    """The path from the working directory, where the file lies below it."""
    path, folder = Path(file), (FOLDER or [Path.cwd()])[0]
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file
