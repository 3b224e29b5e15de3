"""Given numbers in the place of those that a model draws: standard ones, to which each side gives its own scale."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from parity.base.errors import InputError
from parity.exact.places import caller

NORMAL, UNIFORM = "normal", "uniform"

Kinds = dict[str, tuple[str, str]]
"""Of each draw the numbers that it stands for, and the side that drew them first."""


class Draws:
    """Arrays by name, each of which stands for what the next random call of a side gives.

    Normal numbers have mean 0 and deviation 1, uniform ones are in [0, 1).
    """

    def __init__(self, side: str, given: Mapping[str, Any], kinds: Kinds):
        self.side, self.rest, self.kinds = side, list(given.items()), kinds

    def next(self, kind: str, call: str, shape: Any) -> Any:
        """Raises `InputError` where none is left, or the next is of another shape, or of another kind elsewhere."""
        place = caller("parity", "torch", "mlx")
        shape = tuple(int(length) for length in shape)
        said = f"{self.side}: {call} at {place} draws {kind} numbers of shape {shape}"
        if not self.rest:
            raise InputError(f"{said}, and no draw is left: add an array to the inputs and its name to draws")
        name, array = self.rest.pop(0)
        if tuple(array.shape) != shape:
            raise InputError(f"{said}; the draw {name} has {tuple(array.shape)}")
        before, side = self.kinds.setdefault(name, (kind, self.side))
        if before != kind:
            raise InputError(f"{said}; as {name} {side} draws {before} ones")
        return array


@contextmanager
def handed(draws: Draws) -> Iterator[None]:
    """Random calls of PyTorch, of MLX or of its stand-in take the draws, in order."""
    with ExitStack() as stack:
        if "torch" in sys.modules:
            from parity.exact.torch.draws import Handing

            stack.enter_context(Handing(draws))
        if "mlx.core" in sys.modules:
            stack.enter_context(_in_mlx(sys.modules["mlx.core"].random, draws))
        yield


@contextmanager
def _in_mlx(random: Any, draws: Draws) -> Iterator[None]:
    """`mx.random.normal` and `mx.random.uniform`; keys mean nothing."""

    def normal(
        shape: Any = (), dtype: Any = None, loc: Any = None, scale: Any = None, key: Any = None, stream: Any = None
    ) -> Any:
        drawn = draws.next(NORMAL, "mx.random.normal", shape)
        drawn = drawn if scale is None else drawn * scale
        return _cast(drawn if loc is None else drawn + loc, dtype)

    def uniform(
        low: Any = 0, high: Any = 1, shape: Any = (), dtype: Any = None, key: Any = None, stream: Any = None
    ) -> Any:
        drawn = draws.next(UNIFORM, "mx.random.uniform", shape)
        plain = isinstance(low, int | float) and isinstance(high, int | float) and (low, high) == (0, 1)
        return _cast(drawn if plain else drawn * (high - low) + low, dtype)

    with mock.patch.object(random, "normal", normal), mock.patch.object(random, "uniform", uniform):
        yield


def _cast(array: Any, dtype: Any) -> Any:
    return array if dtype is None else array.astype(dtype)
