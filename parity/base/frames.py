"""Where an exception was raised: the lines of somebody's own source, without those of libraries."""

from __future__ import annotations

import traceback
from pathlib import Path

LIBRARIES = ("parity", "mlx", "torch", "numpy", "contextlib", "functools", "concurrent", "threading")
"""Packages whose lines do not say what to correct."""
SHOWN = 3
"""Lines that are told, the innermost first."""


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
    frames = [
        f"{_short(frame.f_code.co_filename)}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] not in LIBRARIES
    ]
    lines = ", called at ".join(frames[::-1][:SHOWN])
    return f"{type(error).__name__}: {error}" + (f" at {lines}" if lines else "")


def _short(file: str) -> str:
    """The path from the working directory, where the file lies below it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
