"""Where each module of a port was made: its options are wrong there, and not where it is called."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from parity.exact.places import Place, caller

_MADE = "_parity_made"


@contextmanager
def making_noted() -> Iterator[None]:
    """Inside, modules of MLX know where they were made; it is for the `mlx.nn` that is imported now."""
    base = importlib.import_module("mlx.nn.layers.base").Module
    original = base.__init__

    def noted(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        object.__setattr__(self, _MADE, caller("mlx"))

    base.__init__ = noted
    try:
        yield
    finally:
        base.__init__ = original


def made_at(module: Any) -> list[Place]:
    """The line that made a module, and the one that called the function around it; none where nobody noted it."""
    place: Place | None = getattr(module, _MADE, None)
    return [one for one in (place, place and place.asked) if one is not None]
