"""Where in the source an operation was asked for."""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass
from types import FrameType

LIBRARIES = ("mlx", "torch", "functools", "contextlib")
"""Packages whose lines say less than the line that called them: `mlx.nn` has an activation, a model chooses it."""

CALLS = 5
"""Lines that a place is known by: its own, and those that called it."""


@dataclass(frozen=True)
class Place:
    """A line of a source file, and the function that it is in.

    `asked` is the line that called the function, the next one outside of `LIBRARIES`; it is known for a few calls.
    """

    file: str
    line: int
    function: str
    asked: Place | None = None

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
    frame = _outside(sys._getframe(depth), skipped)
    frames: list[FrameType] = []
    while frame is not None and len(frames) < CALLS:
        frames.append(frame)
        frame = _outside(frame, skipped + LIBRARIES)
    place = None
    for frame in reversed(frames):
        place = Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, place)
    return place


def _outside(frame: FrameType, packages: tuple[str, ...]) -> FrameType | None:
    """The nearest caller of a frame that is in none of the packages; None where this package called the model."""
    found = frame.f_back
    while found is not None and _inside(found, packages):
        found = found.f_back
    return None if found is None or _inside(found, ("parity",)) else found


def _inside(frame: FrameType, packages: tuple[str, ...]) -> bool:
    module = frame.f_globals.get("__name__", "")
    return any(module == name or module.startswith(f"{name}.") for name in packages)
