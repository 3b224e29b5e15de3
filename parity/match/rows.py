"""A value whose rows the other program holds among others: an expert's tokens, or one step of a loop at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.match.arrangement import BOUND, difference, root_mean_square
from parity.match.values import Pooled
from parity.match.weights import telling

Held = tuple[int, Pooled]
"""A value of the candidate with its key."""


def gathered(value: Pooled, groups: Sequence[Sequence[Held]], bound: float = BOUND) -> tuple[int, ...]:
    """Keys of the first group of values that together have all rows of this one, at every length at which it is there.

    A row lies along the last axis. One of a single number is none: among many numbers, one is easily found. A value of
    few different numbers, as of indices, is not looked for.
    """
    if not any(telling((array,)) for array in value) or any(a is not None and _rows(a) is None for a in value):
        return ()
    for group in groups:
        keys: dict[int, None] = {}
        held = ([(key, pooled[length]) for key, pooled in group] for length in range(len(value)))
        if all(array is None or _covered(array, there, keys, bound) for array, there in zip(value, held, strict=True)):
            return tuple(keys)
    return ()


def reordered(value: Pooled, values: Sequence[Held], bound: float = BOUND) -> int | None:
    """Key of the first value that has this one's rows at the same places, the numbers of each row in another order.

    The chosen experts of a token may stand in another order, and the keys of attention in a cache.
    """
    for key, held in values:
        if all(array is None or _same_rows(there, array, bound) for array, there in zip(value, held, strict=True)):
            return key
    return None


def _rows(array: np.ndarray | None) -> np.ndarray | None:
    """The array as rows of several real numbers; None where it has no such rows."""
    if array is None or array.dtype.kind != "f" or not array.ndim or array.shape[-1] < 2:
        return None
    return array.reshape(-1, array.shape[-1])


def _covered(
    array: np.ndarray, held: Sequence[tuple[int, np.ndarray | None]], keys: dict[int, None], bound: float
) -> bool:
    """All rows are among those held; `keys` gets the values that they are taken from."""
    wanted = _rows(array)
    assert wanted is not None
    missing = np.ones(len(wanted), bool)
    for key, there in held:
        rows = _rows(there)
        if rows is not None and rows.shape[1] == wanted.shape[1] and missing.any():
            found = missing.copy()
            found[missing] = _among(wanted[missing], rows, bound * root_mean_square(array))
            if found.any():
                keys[key] = None
                missing &= ~found
    return not missing.any()


def _among(wanted: np.ndarray, rows: np.ndarray, near: float) -> np.ndarray:
    """Of each wanted row whether it is one of the others: those of nearly the same sum are compared with it."""
    order = np.argsort(rows.sum(1))
    rows = rows[order]
    sums, sought, reach = rows.sum(1), wanted.sum(1), 2 * near * rows.shape[1]
    first, last = np.searchsorted(sums, sought - reach), np.searchsorted(sums, sought + reach, "right")
    with np.errstate(invalid="ignore"):
        return np.array(
            [
                bool(np.any(np.abs(rows[start:stop] - row).max(1, initial=0.0) <= near))
                for row, start, stop in zip(wanted, first, last, strict=True)
            ]
        )


def _same_rows(held: np.ndarray | None, array: np.ndarray, bound: float) -> bool:
    if held is None or min(held.ndim, array.ndim) < 2 or held.size != array.size or held.shape[-1] != array.shape[-1]:
        return False
    one, other = (np.sort(x.reshape(-1, x.shape[-1]), -1) for x in (held, array))
    return array.shape[-1] > 1 and difference(one, other) <= bound
