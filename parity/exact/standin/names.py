"""The names of the stand-in's functions as they run: a recorder that records nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from parity.exact.standin.dispatch import STATE


@contextmanager
def named(see: Callable[[str], None]) -> Iterator[None]:
    """Within it, `see` is called with the name of every function of the stand-in that makes arrays."""
    before, STATE.recorder = STATE.recorder, _Namer(see)
    try:
        yield
    finally:
        STATE.recorder = before


class _Namer:
    def __init__(self, see: Callable[[str], None]):
        self.see = see

    def call(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.see(name)
        STATE.recorder = None
        try:
            with np.errstate(all="ignore"):
                return function(*args, **kwargs)
        finally:
            STATE.recorder = self
