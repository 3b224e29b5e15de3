"""The names of ATen operations as they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


@contextmanager
def named(see: Callable[[str], None]) -> Iterator[None]:
    """Within it, `see` is called with the name of every ATen operation."""
    with _Namer(see):
        yield


class _Namer(TorchDispatchMode):
    def __init__(self, see: Callable[[str], None]):
        super().__init__()
        self.see = see

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ != "detach":  # as whoever looks at a value does
            self.see(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))
