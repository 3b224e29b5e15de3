"""Given numbers in the place of those that `mx.random` would draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import mlx.core as mx
import numpy as np

from parity.exact.program import NoProgram, widened

Draws = Iterable[np.ndarray] | Callable[[tuple[int, ...]], np.ndarray]
"""Results of the calls that draw, in running order; or a function that gives one of a shape."""

DRAWING = frozenset(
    ("bernoulli", "categorical", "gumbel", "laplace", "multivariate_normal", "normal", "permutation", "randint")
    + ("truncated_normal", "uniform")
)
"""The functions of `mx.random` that draw."""

_ARRAY = mx.array


def drawing(draws: Draws) -> Callable[[str, Callable[..., Any]], Callable[..., Any]]:
    """What puts the next draw, of the shape that `function` would give, in the place of the function `name`.

    Raises `NoProgram` where no draw is left, or where the next one has another shape.
    """
    rest = None if callable(draws) else iter(draws)

    def replaced(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            shown = function(*args, **kwargs)  # for its shape and dtype: nothing needs it, so nothing is drawn
            drawn = next(rest, None) if rest is not None else draws(tuple(shown.shape))  # type: ignore[operator]
            if drawn is None:
                raise NoProgram(f"mx.random.{name} draws numbers of shape {shown.shape}, and no given draw is left")
            if np.shape(drawn) != tuple(shown.shape):
                raise NoProgram(
                    f"mx.random.{name} draws numbers of shape {shown.shape}; the given draw has {np.shape(drawn)}"
                )
            return _ARRAY(np.ascontiguousarray(widened(drawn)), mx.float64 if _floating(shown) else shown.dtype)

        return call

    return replaced


def _floating(array: Any) -> bool:
    return bool(mx.issubdtype(array.dtype, mx.floating))
