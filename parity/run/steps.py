"""What each line of a running program makes: the arrays that it assigns, and those that a function returns.

Two runs of one source, on a device and in double, are compared line by line where a tap says too little. A call is
known by its place in the tree of calls: a step of one run has its counterpart in the other, whatever else they call.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from parity.exact.places import Place

Call = tuple[str, str, int]
"""A file, a function's name in it, and which call of it by the caller."""
Key = tuple[tuple[Call, ...], int, int, str]
"""The calls that lead there, the line, which run of it, and the variable; of a result, no line."""

FOREIGN = ("parity", "numpy", "importlib", "contextlib", "functools", "torch", "mlx.nn.layers.base")
LAYERS = ("torch.nn.functional", "torch.nn.modules")
BASE = "torch.nn.modules.module"
"""Packages whose lines are no steps of a program, but for layers: the class that all of them have only calls them."""


@dataclass(frozen=True)
class Step:
    """An array that a line made: `key` finds it in another run, `place` says which line it was in this one.

    `since` is what was marked when the line began; of a function's result, when the function did.
    """

    key: Key
    place: Place
    since: int


See = Callable[[Step, Any], None]


@dataclass(eq=False)
class _Frame:
    path: tuple[Call, ...]
    began: int = 0
    since: int = 0
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    runs: Counter[int] = field(default_factory=Counter)
    line: int = 0
    seen: dict[str, Any] = field(default_factory=dict)


class Steps:
    """Within it, hands every new array to `see` while `on` is true. Python calls it at each line, which takes time.

    `mark` numbers what happens meanwhile: a step knows its number when its line began.
    """

    def __init__(self, is_array: Callable[[Any], bool], see: See, mark: Callable[[], int] = lambda: 0):
        self.is_array, self.see, self.mark, self._on = is_array, see, mark, False
        self.outermost = _Frame(())
        self.frames: dict[FrameType, _Frame] = {}

    @property
    def on(self) -> bool:
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        if on and not self._on:  # what the running functions hold by now is not new
            for frame, known in self.frames.items():
                known.seen = dict(frame.f_locals)
        self._on = on

    def __enter__(self) -> Steps:
        self.before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self.before)
        self.frames.clear()

    def _call(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        if _foreign(frame.f_globals.get("__name__", "")):
            return None
        caller, code = self._caller(frame), frame.f_code
        name = code.co_filename, code.co_qualname
        path = (*caller.path, (*name, caller.calls[name]))
        caller.calls[name] += 1
        began = self.mark()
        made = _Frame(path, began, began, line=frame.f_lineno)
        if self.on:
            made.seen.update(frame.f_locals)
        self.frames[frame] = made
        return self._line

    def _caller(self, frame: FrameType) -> _Frame:
        found = frame.f_back
        while found is not None and found not in self.frames:
            found = found.f_back
        return self.outermost if found is None else self.frames[found]

    def _line(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        known = self.frames.get(frame)
        if known is None or event == "exception":
            return self._line
        if self.on:
            held = dict(frame.f_locals)
            for name, value in held.items():
                if value is not known.seen.get(name):
                    place = Place(frame.f_code.co_filename, known.line, frame.f_code.co_qualname)
                    self._made((known.path, known.line, known.runs[known.line], name), place, known.since, value)
            if event == "return":
                place = Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
                self._made((known.path, 0, 0, ""), place, known.began, argument)
            known.seen = held
        known.runs[known.line] += 1
        known.line, known.since = frame.f_lineno, self.mark()
        if event == "return":
            del self.frames[frame]
        return self._line

    def _made(self, key: Key, place: Place, since: int, value: Any) -> None:
        path, line, run, name = key
        for number, array in enumerate(self._arrays(value)):
            self.see(Step((path, line, run, f"{name}.{number}" if number else name), place, since), array)

    def _arrays(self, value: Any) -> Iterator[Any]:
        if self.is_array(value):
            yield value
        elif isinstance(value, list | tuple):
            for part in value:
                yield from self._arrays(part)


def _foreign(module: str) -> bool:
    return _within(module, FOREIGN) and (module == BASE or not _within(module, LAYERS))


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def numbers(array: np.ndarray) -> np.ndarray | None:
    """The array as real numbers in double; None where it holds integers or nothing."""
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag])
    return array.astype(np.float64) if array.dtype.kind == "f" and array.size else None
