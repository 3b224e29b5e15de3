"""The right numbers in the wrong order: axes, memory order, permutations; and shapes that differ."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from parity.diagnose.evidence import Evidence, Finding, finding, hypothesis


@hypothesis
def axis_order(e: Evidence) -> Finding | None:
    """A transposition of the candidate is the reference, whatever their shapes."""
    if e.candidate.ndim != e.reference.ndim or not 2 <= e.reference.ndim <= 4 or not e.finite:
        return None
    for order in permutations(range(e.candidate.ndim)):
        turned = e.candidate.transpose(order)
        if order == tuple(range(len(order))) or turned.shape != e.reference.shape:
            continue
        if close(turned, e.reference):
            axes = " ".join(e.axes[order.index(i)] for i in range(len(order))) if len(e.axes) == len(order) else order
            return Finding("axis order", 0.99, f"the candidate's axes are {axes!r}, expected {' '.join(e.axes)!r}")
    return None


@hypothesis
def memory_order(e: Evidence) -> Finding | None:
    """The reference's numbers in the order of other axes: Fortran data read as C, a reshape for a transposition."""
    if e.reference.ndim < 2 or e.candidate.size != e.reference.size or not e.finite:
        return None
    if e.reference.ndim > 4 or e.reference.dtype.kind not in "fi":
        return None
    if (found := _heads(e)) is not None:
        return found
    for order in permutations(range(e.reference.ndim)):
        if order == tuple(range(e.reference.ndim)):
            continue
        for name, turned in (
            ("read", e.reference.transpose(order).reshape(e.candidate.shape)),
            ("written", e.reference.reshape([e.reference.shape[i] for i in order]).transpose(np.argsort(order))),
        ):
            if turned.shape == e.candidate.shape and close(e.candidate, turned):
                if e.candidate.shape == e.reference.shape and close(e.candidate, e.reference):
                    continue
                words = "Fortran's order for C's" if order == tuple(reversed(range(len(order)))) else f"axes {order}"
                return Finding("memory order", 0.97, f"the right numbers, {name} in another memory order: {words}")
    return None


def _heads(e: Evidence) -> Finding | None:
    """Blocks of the last axis merged, or split, before they were put beside each other."""
    if e.candidate.shape != e.reference.shape or e.reference.ndim != 3 or close(e.candidate, e.reference):
        return None
    batch, frames, width = e.reference.shape
    for heads in (n for n in range(2, min(64, width) + 1) if width % n == 0):
        for turned in (
            e.reference.reshape(batch, frames, heads, -1).swapaxes(1, 2),
            e.reference.reshape(batch, heads, frames, -1).swapaxes(1, 2),
            e.reference.reshape(batch, frames, heads, -1).swapaxes(2, 3),
        ):
            if close(e.candidate, turned.reshape(e.reference.shape)):
                text = f"the right numbers, {heads} blocks of {e.axes[2]} merged or split without a transposition"
                return Finding("memory order", 0.98, text)
    return None


@hypothesis
def permutation(e: Evidence) -> Finding | None:
    """Each slice along an axis is a slice of the reference, but another one."""
    if not e.comparable:
        return None
    for position, axis in enumerate(e.axes):
        c, r = (np.moveaxis(array, position, 0).reshape(array.shape[position], -1) for array in (e.c, e.r))
        if not 1 < len(r) <= 4096 or r.shape[1] * len(r) > 4_000_000:
            continue
        source = _source(c, r)
        if (source != np.arange(len(r))).any():
            model = np.moveaxis(r[source].reshape(np.moveaxis(e.r, position, 0).shape), 0, position)
            text = f"the slices of {axis} are in another order: {_order(source)}"
            if found := finding("permutation", e.left(model), 0.96, text, 0.02):
                return found
        if len(r) >= 4 and not close(c, r) and close(np.sort(c, axis=0), np.sort(r, axis=0)):
            return Finding("permutation", 0.95, f"the same numbers along {axis} in another order")
    return None


def _source(c: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Of each row of the candidate, which of the reference's it may be, each of them once: matched along a random
    direction. A row that is in its place stays there."""
    direction = np.random.Generator(np.random.Philox(key=1)).standard_normal(r.shape[1])
    scale = max(float(np.abs(r).max()), 1e-30)
    moved = np.flatnonzero(~np.isclose(c, r, rtol=1e-3, atol=1e-5 * scale).all(axis=1))
    source = np.arange(len(r))
    source[moved[np.argsort(c[moved] @ direction)]] = moved[np.argsort(r[moved] @ direction)]
    return source


@hypothesis
def shape(e: Evidence) -> Finding | None:
    """Another number of positions along one axis, or another number of axes."""
    if e.candidate.shape == e.reference.shape:
        return None
    text = f"shape {e.candidate.shape}, expected {e.reference.shape}"
    if e.candidate.ndim != e.reference.ndim:
        return Finding("shape", 0.9, f"{text}: another number of axes")
    pairs = zip(e.axes, e.candidate.shape, e.reference.shape, strict=True)
    axes = [(axis, ours - theirs) for axis, ours, theirs in pairs if ours != theirs]
    words = ", ".join(f"{abs(by)} {'more' if by > 0 else 'fewer'} of {axis}" for axis, by in axes)
    return Finding("shape", 0.95 if len(axes) == 1 else 0.6, f"{text}: {words}")


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.size > 0 and bool(np.allclose(a, b, rtol=1e-3, atol=1e-5 * max(float(np.abs(b).max()), 1e-30)))


def _order(source: np.ndarray) -> str:
    """A permutation in words, else its slices from the first one that differs."""
    n = len(source)
    moved = np.flatnonzero(source != np.arange(n))
    if len(moved) == 2:
        return f"{moved[0]} and {moved[1]} are exchanged"
    if (source == np.arange(n)[::-1]).all():
        return "reversed"
    for by in range(1, n):
        if (source == (np.arange(n) + by) % n).all():
            return f"rotated by {by}"
    for groups in range(2, min(n, 64) + 1):
        if n % groups == 0 and (source == np.arange(n).reshape(groups, -1).T.ravel()).all():
            return f"{groups} blocks interleaved"
    first, last = int(moved[0]), int(moved[-1]) + 1
    for size in range(1, (last - first) // 2 + 1):
        if (np.roll(np.arange(first, last), size) == source[first:last]).all():
            return f"{first} to {last - size - 1} and {last - size} to {last - 1} are exchanged"
        if (np.roll(np.arange(first, last), -size) == source[first:last]).all():
            return f"{first} to {first + size - 1} and {first + size} to {last - 1} are exchanged"
    return f"from {first} on " + " ".join(map(str, source[first : first + 8])) + (" ..." if n > first + 8 else "")
