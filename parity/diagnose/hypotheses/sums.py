"""A sum whose terms are known: one left out, taken twice, or with another coefficient."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from parity.base.metrics import dot
from parity.diagnose.evidence import Evidence, Finding, finding, hypothesis


@hypothesis
def term(e: Evidence) -> Finding | None:
    """The error is a multiple of one of the inputs: a residual that was dropped, doubled or scaled."""
    if not e.comparable:
        return None
    best = None
    for name, x in _same_shape(e):
        square = dot(x.ravel(), x.ravel())
        k = dot(e.error.ravel(), x.ravel()) / square if square else 0.0
        words = {-1: "left out", 1: "added once too often", -2: "subtracted"}.get(round(k), "added with another factor")
        if abs(k - round(k)) > 1e-3:
            words = "added with another factor"
        found = finding(
            "term", e.left(e.r + k * x), 0.95, f"the reference plus {k:.6g} times {name}: it is {words}", 0.1
        )
        if found and (best is None or found.confidence > best.confidence):
            best = found
    return best


@hypothesis
def alone(e: Evidence) -> Finding | None:
    """The candidate is one of the inputs: what should be added to it, or made of it, is not."""
    if not e.comparable:
        return None
    for name, x in _same_shape(e):
        if (found := finding("term", e.left(x), 0.96, f"the candidate is {name} alone", 0.01)) is not None:
            return found
    return None


@hypothesis
def addend(e: Evidence) -> Finding | None:
    """What is added to one of the inputs has another factor: a step's length or sign, a residual's scale."""
    if not e.comparable:
        return None
    best = None
    for name, x in _same_shape(e):
        added = e.r - x
        square = dot(added.ravel(), added.ravel())
        if square == 0:
            continue
        k = dot((e.c - x).ravel(), added.ravel()) / square
        if abs(k) < 1e-6:
            continue
        text = f"{name} plus {k:.6g} times what is added to it"
        found = finding("term", e.left(x + k * added), 0.93, text, 0.1)
        if found and (best is None or found.confidence > best.confidence):
            best = found
    for name, x in _same_shape(e):  # each channel adds with a factor of its own
        channel = e.axis("channel")
        if channel is None:
            break
        over = tuple(i for i in range(e.r.ndim) if i != channel)
        added = e.r - x
        square = (added * added).sum(axis=over, keepdims=True)
        if e.r.size // e.r.shape[channel] < 6 or not square.all():
            continue
        k = ((e.c - x) * added).sum(axis=over, keepdims=True) / square
        text = f"{name} plus {k.min():.4g} to {k.max():.4g} times what each channel adds to it"
        found = finding("term", e.left(x + k * added), 0.9, text, 0.05)
        if found and (best is None or found.confidence > best.confidence):
            best = found
    return best


@hypothesis
def two_terms(e: Evidence) -> Finding | None:
    """Both sides are sums of the same two inputs, with other coefficients."""
    if not e.comparable or e.r.size < 8:
        return None
    parts = _branch_parts(e) or _same_shape(e)[:6]
    for (one, x), (two, y) in combinations(parts, 2):
        basis = np.stack([x.ravel(), y.ravel()], axis=1)
        ours, theirs = (np.linalg.lstsq(basis, array.ravel(), rcond=None)[0] for array in (e.c, e.r))
        good = np.abs(basis @ theirs - e.r.ravel()).max() <= 1e-4 * np.abs(e.r).max()
        left = e.left((basis @ ours).reshape(e.r.shape))
        if good and left < 0.05:
            family = "branches" if one.partition("[")[0] == two.partition("[")[0] else "term"
            text = f"{ours[0]:.5g} {one} + {ours[1]:.5g} {two}, expected {theirs[0]:.5g} and {theirs[1]:.5g}"
            return Finding(family, 0.97, text)
    return None


def _same_shape(e: Evidence) -> list[tuple[str, np.ndarray]]:
    arrays = ((name, np.asarray(x, np.float64)) for name, x in e.inputs.items() if x.dtype.kind == "f")
    return [(name, x) for name, x in arrays if x.shape == e.r.shape]


def _branch_parts(e: Evidence) -> list[tuple[str, np.ndarray]]:
    """The branches of an input that holds as many of this value as there are labels, along the first axis."""
    for labels in e.labels.values():
        for name, x in e.inputs.items():
            if x.ndim == e.r.ndim and x.shape[1:] == e.r.shape[1:] and x.shape[0] == len(labels) * e.r.shape[0]:
                parts = np.split(np.asarray(x, np.float64), len(labels))
                return [(f"{name}[{label}]", part) for label, part in zip(labels, parts, strict=True)]
    return []
