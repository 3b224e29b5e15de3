"""How an operation of the stand-in is called: in NumPy's quiet mode, and seen by a recorder where there is one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

Function = Callable[..., Any]


class Recorder(Protocol):
    """What sees the operations of a run, and runs them."""

    def call(self, name: str, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...


class _State:
    __slots__ = ("recorder",)

    def __init__(self) -> None:
        self.recorder: Recorder | None = None


STATE = _State()
"""`recorder` is None while nothing is recorded, and within an operation that is being recorded."""


class Names(dict[str, Function]):
    """The functions of a module of MLX by name. `prefix` is what their names begin with in a recorded program.

    A function that shadows one of Python's, or a keyword, has an underscore behind its name here.
    """

    def __init__(self, prefix: str = ""):
        super().__init__()
        self.prefix = prefix

    def operation(self, function: Function) -> Function:
        """Add a function that makes arrays from arrays. The function takes `stream=`, which has no meaning here.

        Infinities and NaN are results, not warnings, as in MLX.
        """
        name = function.__name__.rstrip("_")
        full = self.prefix + name

        @functools.wraps(function)
        def call(*args: Any, stream: Any = None, **kwargs: Any) -> Any:
            recorder = STATE.recorder
            if recorder is not None:
                return recorder.call(full, function, args, kwargs)
            with np.errstate(all="ignore"):
                return function(*args, **kwargs)

        call.__name__ = call.__qualname__ = name
        self[name] = call
        return call

    def plain(self, function: Function) -> Function:
        """Add a function that is no operation: it is not recorded."""
        self[function.__name__.rstrip("_")] = function
        return function
