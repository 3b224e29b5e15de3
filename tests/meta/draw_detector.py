"""Finds out whether anything was drawn at random: in a parity run nothing may be, every draw is an input."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

MLX_FUNCTIONS = [name for name in dir(mx.random) if not name.startswith("_") and name != "state"]
NUMPY_FUNCTIONS = ["default_rng", "Generator", "RandomState"]  # what makes a generator; the global one has a state

STATES: dict[str, Callable[[], Any]] = {
    "torch": lambda: torch.get_rng_state().tolist(),
    "mlx": lambda: mx.random.state[0].tolist(),
    "numpy": lambda: [str(part) for part in np.random.get_state()],  # noqa: NPY002 - the legacy generator is looked for
    "python": random.getstate,
}


class SeededOperations(TorchDispatchMode):
    """Notes every PyTorch operation that reads a generator; attention and LSTM have the tag for their dropout alone."""

    def __init__(self, found: list[str]):
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        has_dropout = any(name in str(func) for name in ("attention", "lstm"))
        if torch.Tag.nondeterministic_seeded in func.tags and not has_dropout:
            self.found.append(f"torch {func}")
        return func(*args, **(kwargs or {}))


@contextmanager
def draws() -> Iterator[list[str]]:
    """A list that holds, after the block, what was drawn or seeded in it."""
    found: list[str] = []

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            found.append(name)
            return function(*args, **kwargs)

        if isinstance(function, type):  # it must stay one: NumPy asks isinstance(seed, RandomState)
            return type(name, (function,), {"__new__": lambda cls, *args, **kwargs: call(*args, **kwargs)})
        return call

    before = {name: state() for name, state in STATES.items()}
    with pytest.MonkeyPatch.context() as patch, SeededOperations(found):
        for module, names in ((mx.random, MLX_FUNCTIONS), (np.random, NUMPY_FUNCTIONS)):
            for name in names:
                patch.setattr(module, name, noting(f"{module.__name__}.{name}", getattr(module, name)))
        yield found
    found += [f"state of {name}" for name, state in STATES.items() if state() != before[name]]
