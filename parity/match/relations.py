"""How two values that are not equal are related: by a sign, a factor, an order, or at a few places alone.

A relation says that one is the counterpart of the other, never that they are equal.
"""

from __future__ import annotations

import numpy as np

from parity.base.metrics import MASKED
from parity.match.arrangement import root_mean_square
from parity.match.values import Pooled

_NEAR = 1e-9
"""Largest |Δ| in units of the RMS that a relation leaves."""

_FEW = 0.05
"""Share of places up to which a difference is called one of places."""

_MOVED = (1, -1, 2, -2)
"""Places along an axis by which masks are found to be moved."""


def relation(candidate: Pooled, reference: Pooled) -> str:
    """What holds at every length, in words; empty for no relation. The arrays lie alike."""
    pairs = [(x, y) for x, y in zip(candidate, reference, strict=True) if x is not None and y is not None]
    if not pairs or any(x.shape != y.shape or x.dtype.kind not in "fc" for x, y in pairs):
        return ""
    if all(np.array_equal(x, y) for x, y in pairs):
        return ""
    if moved := _moved_mask(pairs):
        return moved
    if any(not np.isfinite(x).all() or not np.isfinite(y).all() or not root_mean_square(y) for x, y in pairs):
        return ""
    return _factor(pairs) or _places(pairs) or _order(pairs)


def _factor(pairs: list[tuple[np.ndarray, np.ndarray]]) -> str:
    factors = [float(np.vdot(y, x).real / np.vdot(y, y).real) for x, y in pairs]
    if any(
        np.abs(x - factor * y).max() > _NEAR * root_mean_square(y)
        for factor, (x, y) in zip(factors, pairs, strict=True)
    ):
        return ""
    first = factors[0]
    if any(abs(factor - first) > _NEAR * abs(first) for factor in factors):
        return "a factor times the reference's, another at every length"
    if abs(first + 1) <= _NEAR:
        return "the reference's with the other sign"
    return f"{first:.10g} times the reference's"


def _places(pairs: list[tuple[np.ndarray, np.ndarray]]) -> str:
    differing = [np.argwhere(np.abs(x - y) > _NEAR * root_mean_square(y)) for x, y in pairs]
    if not all(len(places) <= max(1.0, _FEW * x.size) for places, (x, _) in zip(differing, pairs, strict=True)):
        return ""
    places = differing[0]
    if not len(places):
        return ""
    x, y = pairs[0]
    first = tuple(int(n) for n in places[0])
    where = f"at {first}" if len(places) == 1 else f"at {len(places)} of {x.size} places, first {first}"
    return f"the reference's but {where}: {x[first]:.10g} for {y[first]:.10g}"


def _order(pairs: list[tuple[np.ndarray, np.ndarray]]) -> str:
    for x, y in pairs:
        apart = np.abs(np.sort(x, axis=None) - np.sort(y, axis=None)).max()
        if apart > _NEAR * root_mean_square(y):
            return ""
    return "the reference's values in another order"


def _moved_mask(pairs: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """Masks are numbers that stand for an infinity, or arrays of two different numbers."""
    masks = [tuple(_masked(array) for array in pair) for pair in pairs]
    if any(x.ndim < 2 or y.all() or not y.any() or np.array_equal(x, y) for x, y in masks):
        return ""
    for axis in (-1, -2):
        for places in _MOVED:
            if all(_is_moved(x, y, axis, places) for x, y in masks):
                return f"the reference's with its mask moved by {places} along axis {axis}"
    x, y = masks[0]
    first = tuple(int(n) for n in np.argwhere(x != y)[0])
    count, said = np.count_nonzero(x != y), "masked" if y[first] else "let through"
    return f"masked otherwise at {count} of {x.size} places, first {first}, which the reference has {said}"


def _masked(array: np.ndarray) -> np.ndarray:
    masked: np.ndarray = ~(np.abs(array) < MASKED)
    if not masked.any() and np.unique(array.ravel()[:4096]).size == 2 and np.unique(array).size == 2:
        return np.asarray(array == array.min())
    return masked


def _is_moved(moved: np.ndarray, mask: np.ndarray, axis: int, places: int) -> bool:
    if moved.shape[axis] <= abs(places) + 1:
        return False
    ours, theirs = (np.moveaxis(array, axis, 0) for array in (moved, mask))
    one, other = (ours[places:], theirs[:-places]) if places > 0 else (ours[:places], theirs[-places:])
    return np.array_equal(one, other)
