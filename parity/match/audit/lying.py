"""How one tensor lies in another that has the same numbers: as it is, its axes in another order, reversed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations, product

import numpy as np

from parity.match.arrangement import Arrangement, find, from_axes, guesses

_AXES = 5
"""Tensors of more axes than this are not turned."""

_SAMPLED = 64
"""Numbers that are compared before all are."""


def lying(candidate: np.ndarray, reference: np.ndarray) -> str | None:
    """In words, empty where nothing is moved; None where the numbers are others."""
    arrangement = arranged(candidate, reference)
    return None if arrangement is None else said(arrangement, candidate.shape, reference.shape)


def arranged(candidate: np.ndarray, reference: np.ndarray, whole: bool = False) -> Arrangement | None:
    """The arrangement in which two arrays are the same to the bit; one that leaves axes `whole`, if that is asked."""
    if candidate.size != reference.size:
        return None
    for arrangement in _likely(candidate.shape, reference.shape):
        turned = arrangement.apply(reference, candidate.shape)
        if _equal(candidate, turned):
            return arrangement
    return None if whole else find(candidate, reference, 0.0)


def said(arrangement: Arrangement, candidate: tuple[int, ...], reference: tuple[int, ...]) -> str:
    """An arrangement in words, by the reference's axes where these stay whole."""
    if arrangement.plain:
        return "" if _plain(candidate) == _plain(reference) else f"{reference} read as {candidate}"
    axes = [axis for axis, size in enumerate(reference) if size > 1]
    for order in permutations(range(len(axes))) if len(axes) <= _AXES else ():
        if from_axes(_plain(reference), order) == arrangement:
            return f"axes {', '.join(str(axes[place]) for place in order)}"
    parts, places = " x ".join(map(str, arrangement.split)), ", ".join(map(str, arrangement.order))
    return f"read as {parts}, these in the order {places}"


def corners(array: np.ndarray) -> tuple[float, ...]:
    """The numbers at the corners, which stay there however axes are ordered and reversed; in ascending order."""
    squeezed = array.reshape(_plain(array.shape))
    return tuple(sorted(float(squeezed[place]) for place in product((0, -1), repeat=squeezed.ndim)))


def reversed_axes(candidate: np.ndarray, reference: np.ndarray) -> str | None:
    """Of two tensors that differ by the direction of axes, these and the order of the axes, in words."""
    x, y = (array.reshape(_plain(array.shape)) for array in (candidate, reference))
    for order in permutations(range(y.ndim)) if y.ndim <= _AXES else ():
        turned = y.transpose(order)
        if turned.shape != x.shape:
            continue
        for count in range(1, x.ndim + 1):
            for axes in combinations(range(x.ndim), count):
                if _equal(x, np.flip(turned, axes)):
                    text = "axes " + ", ".join(map(str, order)) + "; " if order != tuple(sorted(order)) else ""
                    several = "axes" if count > 1 else "axis"
                    return f"{text}{several} {', '.join(map(str, axes))} reversed"
    return None


def _likely(candidate: tuple[int, ...], reference: tuple[int, ...]) -> Iterator[Arrangement]:
    if _plain(candidate) == _plain(reference):
        yield Arrangement((int(np.prod(reference, dtype=int)),), (0,))
    yield from guesses(candidate, reference)


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n > 1)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    near = np.array_equal(sampled(one, _SAMPLED), sampled(other, _SAMPLED), equal_nan=True)
    return near and np.array_equal(one, other, equal_nan=True)


def sampled(array: np.ndarray, count: int) -> np.ndarray:
    """About so many numbers, spread over the array; nothing else of it is read."""
    return array.flat[np.arange(0, array.size, max(1, array.size // count))]
