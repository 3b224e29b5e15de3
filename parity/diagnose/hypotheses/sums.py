"""A sum whose terms are known: one left out, taken twice, or with another factor, everywhere or at some places."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from parity.base.metrics import dot, rms
from parity.diagnose.evidence import Evidence, Finding, finding, hypothesis, likeliest

MANY = 16
"""Values that must be wrong and fit, of a term that is wrong at some places alone."""


@hypothesis
def term(e: Evidence) -> Finding | None:
    """The error is a multiple of one of the inputs: a residual that was dropped, doubled or scaled."""
    if not e.comparable:
        return None
    found = []
    for name, x in terms(e):
        k = _factor(e.error, x)
        text = f"the reference plus {k:.6g} times {name}: {_words(k)}"
        found.append(finding("term", e.left(e.r + k * x), 0.95, text, 0.1))
    return likeliest(found)


@hypothesis
def term_in_places(e: Evidence) -> Finding | None:
    """As `term`, with one factor at some places and another one, or none, elsewhere: of voiced frames, say."""
    if not e.comparable or e.wrong.sum() <= MANY:
        return None
    found = []
    for name, x in terms(e):
        factors = _two_factors(e.error, x)
        places = np.abs(e.error - factors[0] * x) <= np.abs(e.error - factors[1] * x)
        count = [int(places.sum()), int((~places).sum())]
        if min(count) <= MANY:
            continue
        left = e.left(e.r + np.where(places, *factors) * x)
        zero = 1e-3 * max(map(abs, factors))
        each = [f"{k:.6g} times {name} at {n}" for k, n in zip(factors, count, strict=True) if abs(k) > zero]
        text = f"the reference plus {' and '.join(each)} of {x.size} places: it has another factor"
        found.append(finding("term", left, 0.93, text, 0.1))
    return likeliest(found)


@hypothesis
def alone(e: Evidence) -> Finding | None:
    """The candidate is one of the inputs: what should be added to it, or made of it, is not."""
    if not e.comparable:
        return None
    for name, x in terms(e):
        if (found := finding("term", e.left(x), 0.96, f"the candidate is {name} alone", 0.01)) is not None:
            return found
    return None


@hypothesis
def addend(e: Evidence) -> Finding | None:
    """What is added to one of the inputs has another factor: a step's length or sign, a residual's scale."""
    if not e.comparable:
        return None
    found = []
    channel = e.axis("channel")
    over = tuple(i for i in range(e.r.ndim) if i != channel)
    for name, x in terms(e):
        added = e.r - x
        square = dot(added.ravel(), added.ravel())
        if square == 0:
            continue
        k = dot((e.c - x).ravel(), added.ravel()) / square
        if abs(k) > 1e-6:
            text = f"{name} plus {k:.6g} times what is added to it"
            found.append(finding("term", e.left(x + k * added), 0.93, text, 0.1))
        if channel is None or e.r.size // e.r.shape[channel] < 6:
            continue
        squares = (added * added).sum(axis=over, keepdims=True)  # each channel adds with a factor of its own
        if squares.all():
            factors = ((e.c - x) * added).sum(axis=over, keepdims=True) / squares
            text = f"{name} plus {factors.min():.4g} to {factors.max():.4g} times what each channel adds to it"
            found.append(finding("term", e.left(x + factors * added), 0.9, text, 0.05))
    return likeliest(found)


@hypothesis
def two_terms(e: Evidence) -> Finding | None:
    """Both sides are sums of the same two inputs, with other coefficients."""
    if not e.comparable or e.r.size < 8:
        return None
    parts = _branch_parts(e) or terms(e)[:6]
    for (one, x), (two, y) in combinations(parts, 2):
        basis = np.stack([x.ravel(), y.ravel()], axis=1)
        ours, theirs = (np.linalg.lstsq(basis, array.ravel(), rcond=None)[0] for array in (e.c, e.r))
        good = np.abs(basis @ theirs - e.r.ravel()).max() <= 1e-4 * np.abs(e.r).max()
        left = e.left((basis @ ours).reshape(e.r.shape))
        share = np.abs([ours, theirs]) * [rms(x), rms(y)]
        if good and left < 0.05 and share.max(axis=0).min() > 1e-4 * share.max():  # else one of them is no term
            family = "branches" if one.partition("[")[0] == two.partition("[")[0] else "term"
            text = f"{ours[0]:.5g} {one} + {ours[1]:.5g} {two}, expected {theirs[0]:.5g} and {theirs[1]:.5g}"
            return Finding(family, 0.97, text)
    return None


def terms(e: Evidence) -> list[tuple[str, np.ndarray]]:
    """The inputs that may be added: of the reference's shape, without one of its axes, or a position away."""
    whole, shape = list(e.alike().items()), e.r.shape
    spread: list[tuple[str, np.ndarray]] = []
    for name, array in e.inputs.items():
        if array.dtype.kind == "f" and 1 < array.ndim == e.r.ndim - 1:
            axes = (axis for axis in range(e.r.ndim) if array.shape == shape[:axis] + shape[axis + 1 :])
            if (axis := next(axes, None)) is not None:
                x = np.expand_dims(np.asarray(array, np.float64), axis)
                spread.append((name, np.broadcast_to(x, shape)))
    moved: list[tuple[str, np.ndarray]] = []
    if e.r.ndim and e.role(e.r.ndim - 1) in ("time", "width") and shape[-1] > 1:
        words = f"one {e.axes[-1]} before"
        moved = [(f"{name} {words}", np.concatenate([x[..., :1], x[..., :-1]], axis=-1)) for name, x in whole]
    return whole + spread + moved


def in_pairs(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inputs added in pairs: what a residual ends in need not be a tap."""
    pairs = [(one, two) for one, two in combinations(inputs, 2) if inputs[one].shape == inputs[two].shape]
    return {f"{one} + {two}": inputs[one] + inputs[two] for one, two in pairs}


def _factor(error: np.ndarray, x: np.ndarray) -> float:
    square = dot(x.ravel(), x.ravel())
    return dot(error.ravel(), x.ravel()) / square if square else 0.0


def _two_factors(error: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """The two factors of `x` that come nearest to an error, each in its places: found by turns, from the extremes."""
    large = np.abs(x) > 0.3 * rms(x)
    if not large.any():
        return 0.0, 0.0
    ratio, part = error[large] / x[large], x[large]
    low, high = (float(k) for k in np.percentile(ratio, (1, 99)))
    for _ in range(4):
        near = np.abs(ratio - low) < np.abs(ratio - high)
        low, high = (_factor(error[large][kept], part[kept]) for kept in (near, ~near))
    return high, low


def _words(k: float) -> str:
    known = {-1: "it is left out", 1: "it is added once too often", -2: "it is subtracted"}
    return known.get(round(k), "") if abs(k - round(k)) < 1e-3 and round(k) in known else "it has another factor"


def _branch_parts(e: Evidence) -> list[tuple[str, np.ndarray]]:
    """The branches of an input that holds as many of this value as there are labels, along the first axis."""
    for labels in e.labels.values():
        for name, x in e.inputs.items():
            if x.ndim == e.r.ndim and x.shape[1:] == e.r.shape[1:] and x.shape[0] == len(labels) * e.r.shape[0]:
                parts = np.split(np.asarray(x, np.float64), len(labels))
                return [(f"{name}[{label}]", part) for label, part in zip(labels, parts, strict=True)]
    return []
