"""How one tensor of weights lies beside another: transposed, reversed, its entries exchanged, or wrong in a few."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from parity.match.arrangement import find, root_mean_square

_NEAR = 1e-6
"""Largest |Δ| in units of the RMS of two tensors that hold the same numbers, one perhaps in single precision."""

_FEW = 0.05
"""Share of the entries of an axis up to which a tensor is called wrong in those entries alone."""

_AXES = 5
"""Tensors of more axes than this are not turned."""


def how(held: np.ndarray, wanted: np.ndarray) -> str:
    """In words, what `held` is to `wanted`, and what to do; empty where no rule is found. Both have one shape."""
    if held.shape != wanted.shape or not held.size or not (np.isfinite(held).all() and np.isfinite(wanted).all()):
        return ""
    for rule in (_turned, _reversed, _sign, _entries, _few):
        if said := rule(held, wanted):
            return said
    return ""


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() <= _NEAR * root_mean_square(other))


def _turned(held: np.ndarray, wanted: np.ndarray) -> str:
    for order in permutations(range(held.ndim)) if held.ndim <= _AXES else ():
        turned = wanted.transpose(order)
        if order != tuple(sorted(order)) and turned.shape == held.shape and _same(held, turned):
            if held.ndim == 2:
                return "transposed: transpose it when it is converted"
            return f"transposed, its axes in the order {', '.join(map(str, order))}: turn them when it is converted"
    return ""


def _reversed(held: np.ndarray, wanted: np.ndarray) -> str:
    for axis in range(held.ndim):
        if held.shape[axis] > 1 and _same(held, np.flip(wanted, axis)):
            return f"with axis {axis} reversed: reverse it when it is converted"
    return ""


def _sign(held: np.ndarray, wanted: np.ndarray) -> str:
    return "with the other sign: negate it when it is converted" if _same(held, -wanted) else ""


def _entries(held: np.ndarray, wanted: np.ndarray) -> str:
    for axis, count in enumerate(held.shape):
        order = _order(*(np.moveaxis(array, axis, 0).reshape(count, -1) for array in (held, wanted)))
        if order is None:
            continue
        moved = np.flatnonzero(order != np.arange(count))
        if not moved.size:  # they are in order, and apart by rounding
            continue
        if moved.size == 2:
            return f"with entries {moved[0]} and {moved[1]} of axis {axis} exchanged: exchange them back"
        if np.array_equal(order, np.roll(np.arange(count), count // 2)) and count % 2 == 0:
            return f"with the halves of axis {axis} exchanged: exchange them back"
        arrangement = find(order.astype(np.float64), np.arange(count, dtype=np.float64))
        if arrangement is not None:
            parts = " x ".join(map(str, arrangement.split))
            axes = ", ".join(map(str, arrangement.order))
            return (
                f"with axis {axis} interleaved otherwise, read as {parts} and turned to the order {axes}: "
                "undo it when it is converted"
            )
        return f"with the entries of axis {axis} in another order, {_first(order)}: put them back in order"
    return ""


def _order(held: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """Which row of `wanted` each row of `held` is; None where the rows are others."""
    weights = np.random.default_rng(0).standard_normal(held.shape[1])
    ours, theirs = np.argsort(held @ weights, kind="stable"), np.argsort(wanted @ weights, kind="stable")
    order = np.empty_like(theirs)
    order[ours] = theirs
    return order if _same(held, wanted[order]) else None


def _few(held: np.ndarray, wanted: np.ndarray) -> str:
    apart = held != wanted
    found = []
    for axis, count in enumerate(held.shape):
        wrong = np.flatnonzero(np.moveaxis(apart, axis, 0).reshape(count, -1).any(1))
        found.append((wrong.size / count, axis, count, wrong))
    share, axis, count, wrong = min(found, key=lambda one: one[:2])
    if wrong.size != 1 and share > _FEW:
        return ""
    if wrong.size == 1 and count < 3:
        return ""
    which = f"entry {wrong[0]}" if wrong.size == 1 else f"entries {_first(wrong)}"
    return f"but for {which} of axis {axis}, of {count}: convert the tensor anew"


def _first(numbers: np.ndarray, most: int = 6) -> str:
    return ", ".join(map(str, numbers[:most])) + (", ..." if numbers.size > most else "")
