"""Where in the source an operation was asked for."""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A line of a source file, and the function that it is in."""

    file: str
    line: int
    function: str

    @property
    def text(self) -> str:
        """The line itself, without indentation; empty where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def caller(*skipped: str, depth: int = 1) -> Place | None:
    """The place of the innermost caller whose module is in none of the `skipped` packages; None if there is none.

    `skipped` are dotted names: `"mlx.nn"` skips `mlx.nn.layers.linear` too. The function that asks is skipped itself,
    with `depth - 1` of its callers.
    """
    frame = sys._getframe(depth)
    while frame.f_back is not None:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
        if not any(module == name or module.startswith(f"{name}.") for name in skipped):
            return Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
    return None
