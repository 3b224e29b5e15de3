"""Float32 rounding at random: what a program's own order of operations leaves of its result, whatever the device.

A program in double is run again with every result rounded to float32, up or down by the toss of a coin (Vignes'
discrete stochastic arithmetic). A sum is rounded as often as it has terms: its error is drawn, with the variance that
so many roundings of its partial sums have. The largest error of some such runs at a tap is the port's own floor there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from parity.base.draws import generator

Axes = int | Sequence[int] | None

_DROPPED = {"float32": np.int64(2**29 - 1), "float16": np.int64(2**42 - 1), "bfloat16": np.int64(2**45 - 1)}
"""Of a double's 52 bits of fraction, those that a dtype has not."""

COIN = 0.425 * 2.0**-23
"""RMS error of one rounding by coin, relative to the value: a unit of the last place over √3, the unit lying between
2^-23 and 2^-24 of the value, evenly in its logarithm. Rounding to nearest has half of it."""


def together(axis: Axes) -> int | tuple[int, ...] | None:
    """An axis, several or all (None), as NumPy takes them."""
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def squared(x: np.ndarray) -> np.ndarray:
    """Squares in single precision, which is enough for the size of an error and half the time."""
    return np.asarray(np.square(np.abs(x).astype(np.float32)))


class Rounding:
    """One run's random rounding, the same for the same `case` and `number` on every machine."""

    def __init__(self, case: str, number: int):
        self._generator = generator(f"{case} {number}", "rounding")

    def once(self, value: np.ndarray, dtype: str = "float32") -> np.ndarray:
        """Each element rounded to float32 or half precision, up or down by coin; the result is held in doubles.

        What has no more bits already stays as it is, and so do integers, infinities and NaN. The exponent is not
        limited: nothing overflows or becomes subnormal.
        """
        value = np.asarray(value)
        if value.dtype.kind == "c":
            return np.asarray(self.once(value.real, dtype) + 1j * self.once(value.imag, dtype))
        if value.dtype.kind != "f" or not value.size:
            return value
        value, coins = np.asarray(value, np.float64), _coins(dtype)
        start = self._start(coins)
        if not _has_more(value, dtype):
            return value
        bits = np.asarray(value, order="C").view(np.int64)
        rounded = bits + _from(coins, start, value.shape)
        rounded &= ~_DROPPED[dtype]
        return np.asarray(rounded.view(np.float64))

    def sum(self, x: np.ndarray, axis: Axes = None, keepdims: bool = False) -> np.ndarray:
        """The sum along axes, accumulated in float32."""
        axis = together(axis)
        total = np.asarray(x.sum(axis, keepdims=keepdims))
        terms = x.size / max(total.size, 1)
        return self.accumulated(total, np.asarray(np.square(np.abs(x)).sum(axis, keepdims=keepdims)), terms, False)

    def mean(self, x: np.ndarray, axis: Axes = None, keepdims: bool = False) -> np.ndarray:
        """The sum along axes over the number of its terms."""
        total = self.sum(x, axis, keepdims)
        return self.once(total / (x.size / max(total.size, 1)))

    def product(self, multiply: Callable[..., np.ndarray], *factors: np.ndarray) -> np.ndarray:
        """What a bilinear function gives, each element being a sum of products: a matrix product, a convolution.

        The squares of the products, summed, are what `multiply` gives for squared factors; their number is what it
        gives for factors of 1. Terms that are zero whatever the factors, as padding is, are not counted.
        """
        squares = multiply(*map(squared, factors))
        return self.accumulated(multiply(*factors), squares, multiply(*(np.ones(factor.shape) for factor in factors)))

    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """a (..., m, k) times b (..., k, n)."""
        return self.accumulated(a @ b, squared(a) @ squared(b), a.shape[-1])

    def exp(self, x: np.ndarray) -> np.ndarray:
        """e^x, which is 2^(x · log₂ e) on every device: its relative error grows with the size of x."""
        return self.once(np.exp2(self.once(x * np.log2(np.e)))) if x.dtype.kind == "f" else self.once(np.exp(x))

    def accumulated(
        self, total: np.ndarray, squares: np.ndarray, terms: np.ndarray | float, products: bool = True
    ) -> np.ndarray:
        """A sum of n terms with the error of adding them one by one in float32; `products` are rounded first.

        `squares` is the sum of the squared terms. Of terms in random order the partial sum of k has the expected square
        (k/n)² total² + k/n (1 - k/n) n/(n-1) (squares - total²/n), and each of them is rounded. The order that a device
        takes is not known: in blocks or pairs the error is smaller.
        """
        n, square = np.maximum(terms, 1), np.square(np.abs(total))
        with np.errstate(invalid="ignore", over="ignore"):
            variance = (n - 1) * (2 * n - 1) / (6 * n) * square + (n + 1) / 6 * (squares - square / n) - squares / n
            variance = np.maximum(np.where(np.isfinite(variance), variance, 0), 0)
            variance = variance + np.where((n > 1) & np.isfinite(squares), squares, 0) if products else variance
            deviation = COIN * np.sqrt(variance)
            error = deviation * self._normal(total.shape)
            if total.dtype.kind == "c":
                error = error + 1j * deviation * self._normal(total.shape)
            return self.once(total + error)

    def scanned(self, sums: np.ndarray, axis: int) -> np.ndarray:
        """Cumulative sums along an axis: each is the one before it, with its error, and one more term, rounded."""
        error = self.once(sums) - sums
        return np.asarray(sums + np.cumsum(np.where(np.isfinite(error), error, 0), axis))

    def transformed(self, spectrum: np.ndarray, size: int, axes: tuple[int, ...]) -> np.ndarray:
        """What a fast Fourier transform over `size` numbers gives: log₂ of it times, all values are added and rounded.

        Every value of a transform has the same error, whatever its own size.
        """
        level = np.sqrt(np.mean(np.square(np.abs(spectrum)), axes, keepdims=True) * max(np.log2(max(size, 2)), 1))
        error = COIN * level * self._normal(spectrum.shape)
        if spectrum.dtype.kind == "c":
            error = error + 1j * COIN * level * self._normal(spectrum.shape)
        return self.once(spectrum + error)

    def near(self, x: np.ndarray) -> np.ndarray:
        """A matrix (..., m, n) with every value off by the rounding of a column's sum of such values."""
        level = np.sqrt(np.mean(np.square(np.abs(x))) * x.shape[-1]) if x.size and x.ndim else 0.0
        return np.asarray(x + COIN * level * self._normal(x.shape))

    def _normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return _from(_normals(), self._start(_normals()), shape)

    def _start(self, pool: np.ndarray) -> int:
        """A random place in a pool: its numbers are many times as fast as new ones, and as good for an error's size."""
        return int(self._generator.integers(len(pool)))


def _from(pool: np.ndarray, start: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of a pool from a place on, and from its start again."""
    size = math.prod(shape)
    if start + size <= len(pool):
        return pool[start : start + size].reshape(shape)
    return np.resize(np.concatenate([pool[start:], pool[:start]]), shape)


def _has_more(value: np.ndarray, dtype: str) -> bool:
    """Some double has more bits than the dtype: of a result the first ones have, of a weight laid out anew none."""
    first = np.atleast_1d(value)[(slice(_GLANCE),) * max(value.ndim, 1)]
    return any(bool((part.view(np.int64) & _DROPPED[dtype]).any()) for part in (first, value))


_GLANCE = 4
"""Places along each axis that are looked at first."""

_POOL = 2**21 + 1
"""Numbers drawn once; odd, so that an array of a longer one's size does not repeat it row by row."""


@cache
def _coins(dtype: str) -> np.ndarray:
    """Of each coin what it adds to a double's bits: nothing, or all that the dtype has not."""
    return np.where(generator("rounding", "coins").integers(0, 2, _POOL, bool), _DROPPED[dtype], 0)


@cache
def _normals() -> np.ndarray:
    return generator("rounding", "normals").standard_normal(_POOL, dtype=np.float32)
