"""A factor for each position: a window, or the envelope of a fade."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis

NEAR = 2e-3
"""Of a factor: how near one is to that of a window that is named."""


def _cosine(a: float, power: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.asarray((a - (1 - a) * np.cos(2 * np.pi * x)) ** power)


SMALL = 0.1
"""Of the RMS, the size of an input from which on a factor can be told."""

SHAPES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "Hann": _cosine(0.5),
    "Hamming": _cosine(0.54),
    "Povey": _cosine(0.5, 0.85),
    "root of Hann": _cosine(0.5, 0.5),
    "Blackman": lambda x: np.asarray(0.42 - 0.5 * np.cos(2 * np.pi * x) + 0.08 * np.cos(4 * np.pi * x)),
    "Bartlett": lambda x: np.asarray(1 - np.abs(2 * x - 1)),
}
"""Windows over 0 ... 1."""


def windows(length: int) -> dict[str, np.ndarray]:
    """The windows of that length by name, periodic ones and symmetric ones."""
    places = np.arange(length)
    found = {"rectangular": np.ones(length)}
    for name, shape in SHAPES.items():
        found |= {f"periodic {name}": shape(places / length), f"symmetric {name}": shape(places / (length - 1))}
    return found


@hypothesis
def factors(e: Evidence) -> Finding | None:
    """Both sides are an input times a factor for each position, and the factors are those of a window or a fade."""
    if not e.comparable:
        return None
    for name, x in e.alike().items():
        for position in range(e.r.ndim):
            if e.role(position) not in ("time", "width", "") or e.r.shape[position] < 8:
                continue
            theirs, ours = (_factors(y, x, position) for y in (e.r, e.c))
            if theirs is None or ours is None:
                continue
            usual, own = _name(theirs), _name(ours)
            if usual and own and usual != own:
                family = "window" if "the " in (usual[:4], own[:4]) else "envelope"
                return Finding(family, 0.96, f"{name} times {own}, expected {usual}")
            if usual and not own:
                family = "window" if "the " in usual[:4] else "envelope"
                return Finding(family, 0.95, f"{name} times other factors, {_some(ours)}, expected {usual}")
    return None


def _factors(y: np.ndarray, x: np.ndarray, position: int) -> np.ndarray | None:
    """The factor at each position that makes `y` of `x`, if one does; NaN where `x` is too small to tell."""
    rows, given = (np.moveaxis(a, position, 0).reshape(a.shape[position], -1) for a in (y, x))
    square = (given * given).sum(axis=1)
    factor = (rows * given).sum(axis=1) / np.where(square > SMALL**2 * square.mean(), square, np.nan)
    known = np.isfinite(factor)
    rest = rows[known] - factor[known, None] * given[known]
    return factor if known.sum() >= 8 and rms(rest) <= 1e-5 * max(rms(y), 1e-300) else None


def _some(factor: np.ndarray) -> str:
    """A few of the factors, from the first position to the middle."""
    return " ".join(f"{factor[at]:.4g}" for at in np.linspace(0, len(factor) // 2, 4).astype(int)) + " ..."


def _name(factor: np.ndarray) -> str:
    """A window's name, or the lengths of a fade."""
    known = np.isfinite(factor)
    for name, window in windows(len(factor)).items():
        if name != "rectangular" and np.abs(factor - window)[known].max() < NEAR:
            return f"the {name} window"
    if np.abs(factor[known] - 1).max() < NEAR:
        return "1 everywhere"
    open_ = known & (np.abs(factor - 1) > NEAR)
    last = int(np.flatnonzero(open_)[-1]) + 1
    if last == len(factor) or (factor[known] < -NEAR).any():
        return ""
    silent = int(np.argmax(known & (np.abs(factor) > NEAR / 10)))
    rise, inner = factor[silent:last], known[silent:last]
    if len(rise) < 2 or (np.diff(rise[inner]) < -NEAR).any():
        return f"0 up to position {last}" if not len(rise) else ""
    x = np.linspace(0, 1, len(rise) + 2)[1:-1]
    kinds = {
        "raised cosine": (1 - np.cos(np.pi * x)) / 2,
        "straight line": x,
        "quarter of a sine": np.sin(np.pi * x / 2),
    }
    best = min(kinds, key=lambda kind: np.abs(kinds[kind] - rise)[inner].max())
    shape = best if np.abs(kinds[best] - rise)[inner].max() < 0.02 else "curve"
    return f"a fade that is 0 up to position {silent} and rises in a {shape} over {len(rise)} more"
