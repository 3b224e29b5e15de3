"""`mx.random`: nothing is drawn here. Numbers are handed over, or the draw is refused.

A module that is being constructed draws weights which are loaded afterwards: it gets NaN, which shows where one is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from parity.exact.program import NoProgram
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, cast, wrapped
from parity.exact.standin.dtypes import Dtype
from parity.exact.standin.shapes import shape_of

Draws = Iterable[np.ndarray] | Callable[[tuple[int, ...]], np.ndarray]
"""Results of the calls that draw, in order; or a function that gives one of a shape."""


def _constructing() -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == "__init__":
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class Generator:
    """What stands behind the functions of `mx.random`: given draws, in order."""

    def __init__(self, draws: Draws | None):
        self.ask = draws if callable(draws) else None
        self.rest: Iterator[np.ndarray] | None = None if draws is None or callable(draws) else iter(draws)

    def draw(self, name: str, shape: Any, dtype: Dtype) -> array:
        """What `mx.random.name` returns: the next draw. Raises NoProgram where there is none of that shape."""
        wanted = shape_of(shape)
        if self.ask is None and self.rest is None:
            if dtype.is_floating and _constructing():
                return wrapped(np.broadcast_to(np.nan, wanted), dtype)  # of no memory: it is replaced
            raise NoProgram(
                f"mx.random.{name} draws numbers of shape {wanted}, which two programs cannot share: make "
                "the noise an argument of both; from Python, installed(draws=[...]) hands it over"
            )
        drawn = self.ask(wanted) if self.ask is not None else next(self.rest, None)  # type: ignore[arg-type]
        if drawn is None:
            raise NoProgram(f"mx.random.{name} draws numbers of shape {wanted}, and no given draw is left")
        made = array(np.asarray(drawn))
        if made.shape != wanted:
            raise NoProgram(f"mx.random.{name} draws numbers of shape {wanted}; the given draw has {made.shape}")
        return wrapped(cast(made.value, made.dtype, dtype), dtype)


def functions(draws: Draws | None) -> dict[str, Any]:
    """The names of `mx.random`. Seeds and keys are taken and mean nothing."""
    generator = Generator(draws)

    def uniform(
        low: Any = 0,
        high: Any = 1,
        shape: Any = (),
        dtype: Dtype | None = dtypes.float32,
        key: Any = None,
        stream: Any = None,
    ) -> array:
        return generator.draw("uniform", shape, dtype or dtypes.float32)

    def normal(
        shape: Any = (),
        dtype: Dtype | None = dtypes.float32,
        loc: Any = None,
        scale: Any = None,
        key: Any = None,
        stream: Any = None,
    ) -> array:
        return generator.draw("normal", shape, dtype or dtypes.float32)

    def truncated_normal(
        lower: Any,
        upper: Any,
        shape: Any = None,
        dtype: Dtype | None = dtypes.float32,
        key: Any = None,
        stream: Any = None,
    ) -> array:
        if shape is None:
            shape = np.broadcast_shapes(asarray(lower).shape, asarray(upper).shape)
        return generator.draw("truncated_normal", shape, dtype or dtypes.float32)

    def gumbel(shape: Any = (), dtype: Dtype | None = dtypes.float32, key: Any = None, stream: Any = None) -> array:
        return generator.draw("gumbel", shape, dtype or dtypes.float32)

    def laplace(
        shape: Any = (),
        dtype: Dtype | None = dtypes.float32,
        loc: float = 0.0,
        scale: float = 1.0,
        key: Any = None,
        stream: Any = None,
    ) -> array:
        return generator.draw("laplace", shape, dtype or dtypes.float32)

    def multivariate_normal(
        mean: Any,
        cov: Any,
        shape: Any = (),
        dtype: Dtype | None = dtypes.float32,
        key: Any = None,
        stream: Any = None,
    ) -> array:
        return generator.draw(
            "multivariate_normal", (*shape_of(shape), asarray(mean).shape[-1]), dtype or dtypes.float32
        )

    def bernoulli(p: Any = 0.5, shape: Any = None, key: Any = None, stream: Any = None) -> array:
        return generator.draw("bernoulli", asarray(p).shape if shape is None else shape, dtypes.bool_)

    def randint(
        low: Any, high: Any, shape: Any = (), dtype: Dtype | None = dtypes.int32, key: Any = None, stream: Any = None
    ) -> array:
        return generator.draw("randint", shape, dtype or dtypes.int32)

    def categorical(
        logits: Any,
        axis: int = -1,
        shape: Any = None,
        num_samples: int | None = None,
        key: Any = None,
        stream: Any = None,
    ) -> array:
        rest = list(asarray(logits).shape)
        del rest[axis]
        if shape is None:
            shape = rest if num_samples is None else [*rest, num_samples]
        return generator.draw("categorical", shape, dtypes.uint32)

    def permutation(x: Any, axis: int = 0, key: Any = None, stream: Any = None) -> array:
        if isinstance(x, int):
            return generator.draw("permutation", (x,), dtypes.uint32)
        return generator.draw("permutation", x.shape, x.dtype)

    def key(seed: int) -> array:
        return wrapped(np.array([seed >> 32 & 0xFFFFFFFF, seed & 0xFFFFFFFF], np.uint32), dtypes.uint32)

    def split(key: Any, num: int = 2, stream: Any = None) -> array:
        return wrapped(np.zeros((num, 2), np.uint32), dtypes.uint32)

    def seed(seed: int) -> None:
        """Nothing: there is no generator to seed."""

    named = (uniform, normal, truncated_normal, gumbel, laplace, multivariate_normal, bernoulli, randint)
    made = {function.__name__: function for function in (*named, categorical, permutation, key, split, seed)}
    return made | {"state": [key(0)]}
