"""Rows of the checkpoint's tables: an embedding, or one and that of a position, read at other places."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from parity.diagnose.evidence import Evidence, Finding, again, unknown

MOST = 64
"""Rows that are looked at."""

NEAR = 1e-5
"""Of the largest value, how near a row must be."""


@again
def rows(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """Both sides are rows of one table, or sums of the rows of two, and the candidate's are others."""
    channel = e.axis("channel")
    if not e.comparable or channel is None or not e.weights:
        return None
    c, r, wrong = (np.moveaxis(a, channel, -1).reshape(-1, a.shape[channel]) for a in (e.c, e.r, e.wrong))
    at = np.flatnonzero(wrong.any(axis=1))
    if not len(at):
        return None
    item = e.r.size // (e.r.shape[0] * e.r.shape[channel])  # rows of one: others of a batch may be made otherwise
    at = at[at // item == at[0] // item][:MOST]
    for tables in _tables(e, r.shape[1]):
        theirs = _places(r[at], tables)
        if theirs is None:
            continue
        ours = _places(c[at], tables)
        if ours is None:
            found = _scaled(e, c[at], tables, theirs)
            return found or unknown(f"rows of {' and '.join(name for name, _ in tables)}", "table", "term")
        for (name, _), own, usual in zip(tables, ours.T, theirs.T, strict=True):
            if (own != usual).any():
                text = f"rows {_listed(own)} of the table {name}, expected {_listed(usual)}{_words(own, usual)}"
                return Finding("table", 0.98, text)
    return None


def _scaled(e: Evidence, c: np.ndarray, tables: tuple[Table, ...], places: np.ndarray) -> Finding | None:
    """The right rows, but some of them times a number."""
    parts = [np.asarray(table[at], np.float64).ravel() for (_, table), at in zip(tables, places.T, strict=True)]
    factors = np.linalg.lstsq(np.stack(parts, axis=1), c.ravel(), rcond=None)[0]
    rest = c.ravel() - np.stack(parts, axis=1) @ factors
    if np.abs(rest).max() > 10 * NEAR * np.abs(c).max():
        return None
    words = " and ".join(f"{k:.5g} times {name}" for k, (name, _) in zip(factors, tables, strict=True))
    return Finding("scale", 0.96, f"the right rows, {words}")


Table = tuple[str, np.ndarray]


def _tables(e: Evidence, width: int) -> Iterator[tuple[Table, ...]]:
    found = [(n, np.asarray(w)) for n, w in e.weights.items() if w.ndim == 2 and w.shape[1] == width and len(w) > 1]
    yield from ((table,) for table in found)
    for one, other in permutations(found, 2):
        if len(one[1]) > len(other[1]) or (len(one[1]) == len(other[1]) and one[0] < other[0]):
            yield one, other


def _places(values: np.ndarray, tables: tuple[Table, ...]) -> np.ndarray | None:
    """The rows of the tables that add up to each value `(n, tables)`, if they do."""
    found = np.empty((len(values), len(tables)), int)
    for number, value in enumerate(values):
        place = _sum(value, tables)
        if place is None:
            return None
        found[number] = place
    return found


def _sum(value: np.ndarray, tables: tuple[Table, ...]) -> tuple[int, ...] | None:
    """The rows whose sum is that value: found by a column, and checked in all."""
    near = NEAR * max(float(np.abs(value).max()), 1e-30)
    if len(tables) == 1:
        close = np.flatnonzero(np.abs(tables[0][1][:, 0] - value[0]) <= near)
        return next(((int(i),) for i in close if np.abs(tables[0][1][i] - value).max() <= near), None)
    (_, one), (_, other) = tables
    order = np.argsort(one[:, 0])
    wanted = value[0] - other[:, 0]
    low = np.searchsorted(one[order, 0], wanted - near)
    high = np.searchsorted(one[order, 0], wanted + near)
    for j in np.flatnonzero(high > low):
        for i in order[low[j] : high[j]]:
            if np.abs(one[i] + other[j] - value).max() <= near:
                return int(i), int(j)
    return None


def _words(ours: np.ndarray, theirs: np.ndarray) -> str:
    by = ours - theirs
    if (by == by[0]).all():
        return f": each is {abs(by[0])} {'later' if by[0] > 0 else 'earlier'}"
    if len(ours) > 2 and (ours == ours[0]).all():
        return ": always the same"
    return ": in the other order" if (ours == theirs[::-1]).all() else ""


def _listed(places: np.ndarray) -> str:
    return " ".join(map(str, places[:6].tolist())) + (" ..." if len(places) > 6 else "")
