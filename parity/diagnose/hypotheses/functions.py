"""An elementwise function in place of another: activations, logarithms, powers, a sine that was not taken."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, finding, hypothesis

ALONE = 0.85
"""Confidence in a candidate that is a function of an input alone: a mask or a limit that is lost leaves one, too."""

Function = Callable[[np.ndarray], np.ndarray]


def _erf(x: np.ndarray) -> np.ndarray:
    """By a series of terms of one sign, so that nothing cancels; beyond 6 it is 1 to rounding."""
    x = np.clip(x, -6, 6)
    square, term = 2 * x * x, x
    total = term
    for n in range(1, 140):
        term = term * square / (2 * n + 1)
        total = total + term
    return np.asarray(2 / math.sqrt(math.pi) * np.exp(-square / 2) * total)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


ACTIVATIONS: dict[str, Function] = {
    "identity": lambda x: x,
    "ReLU": lambda x: np.maximum(x, 0),
    "leaky ReLU of slope 0.01": lambda x: np.where(x > 0, x, 0.01 * x),
    "leaky ReLU of slope 0.1": lambda x: np.where(x > 0, x, 0.1 * x),
    "leaky ReLU of slope 0.2": lambda x: np.where(x > 0, x, 0.2 * x),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "exact GELU": lambda x: 0.5 * x * (1 + _erf(x * math.sqrt(0.5))),
    "tanh GELU": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "fast GELU, x sigmoid(1.702 x)": lambda x: x * _sigmoid(1.702 * x),
    "SiLU": lambda x: x * _sigmoid(x),
    "Mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "softplus": lambda x: np.logaddexp(x, 0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "sine": np.sin,
    "exponential": lambda x: np.exp(np.minimum(x, 80)),
    "cosine": np.cos,
    "logarithm": lambda x: np.log(np.maximum(x, 1e-300)),
    "logarithm of base 10": lambda x: np.log10(np.maximum(x, 1e-300)),
    "square root": lambda x: np.sqrt(np.maximum(x, 0)),
    "absolute value": np.abs,
    "square": np.square,
}


LOGARITHMS = {"logarithm", "logarithm of base 10"}
NO_ACTIVATIONS = {"sine", "cosine", "exponential", "square root", *LOGARITHMS}


@hypothesis
def activation(e: Evidence) -> Finding | None:
    """The reference is a known function of an input, and the candidate another one of it."""
    if not e.comparable:
        return None
    for name, x in e.inputs.items():
        pair = _beside(e, np.asarray(x)) if x.dtype.kind == "f" else None
        if pair is None or pair[0].size < 8:
            continue
        x, c, r = pair
        theirs = _function(x, r, 3e-6 * rms(r))
        ours = _function(x, c, max(3e-6 * rms(c), 2 * e.bound * e.floor))
        if theirs is None and ours not in (None, "identity") and np.ptp(c) > 0:
            return Finding("tap", ALONE, f"the candidate is {ours} of {name} alone")
        if theirs is None:
            continue
        if ours == theirs or (ours is None and theirs == "identity"):  # what is not its input is not a function
            continue
        words = ours or "another function of it"
        return Finding(_family(ours, theirs), 0.98 if ours else 0.7, f"{words}, expected {theirs} (of {name})")
    return None


def _family(ours: str | None, theirs: str) -> str:
    """Of functions that no layer ends with, 'function', of two logarithms 'log base'."""
    if ours in LOGARITHMS and theirs in LOGARITHMS:
        return "log base"
    return "function" if {ours, theirs} & NO_ACTIVATIONS else "activation"


@hypothesis
def untaken(e: Evidence) -> Finding | None:
    """One side is a known function of the other: a logarithm, an exponential or a sine that was left out."""
    if not e.comparable or e.r.size < 8:
        return None
    for what, function in (("exponential", np.exp), ("sine", np.sin), ("tanh", np.tanh), ("square", np.square)):
        with np.errstate(over="ignore", invalid="ignore"):
            taken, twice = function(np.minimum(e.c, 700)), function(np.minimum(e.r, 700))
        if _near(taken, e.r):
            return Finding("function", 0.97, f"the {what} of the candidate is the reference: it was not taken")
        if _near(twice, e.c):
            return Finding("function", 0.97, f"the candidate is the {what} of the reference: taken once too often")
    return None


@hypothesis
def power(e: Evidence) -> Finding | None:
    """Magnitudes for powers, or the other way round: a straight line in logarithms, or a factor of 2 between those."""
    if not e.comparable or e.r.size < 32:
        return None
    if (e.r > 0).all() and (e.c > 0).all():
        x, y = np.log(e.r.ravel()), np.log(e.c.ravel())
        words = ""
    else:
        x, y, words = e.r.ravel(), e.c.ravel(), "the logarithms' "
    kept = (x > x.min()) & (y > y.min())  # what is at a floor has no slope
    x, y = x[kept], y[kept]
    if x.size < 32 or x.std() == 0:
        return None
    slope = float(np.cov(x, y)[0, 1] / x.var())
    fit = float(np.corrcoef(x, y)[0, 1])
    for value, what in ((2.0, "power for magnitude"), (0.5, "magnitude for power")):
        if abs(slope / value - 1) < 0.02 and fit > 0.99:
            return Finding("power", 0.85 * fit, f"{words}slope {slope:.3f}: {what}")
    return None


@hypothesis
def root_of_sum(e: Evidence) -> Finding | None:
    """The whole is the reference to a power: variance for deviation."""
    if not e.comparable or not (e.r[e.wrong] > 0).all() or e.r.size < 8:
        return None
    squared, root = (np.where(e.wrong, f(e.r), e.r) for f in (np.square, np.sqrt))
    text = f"{int(e.wrong.sum())} values are the reference's squares or roots"
    return finding("power", min(e.left(squared), e.left(root)), 0.95, text, 0.05)


def _function(x: np.ndarray, y: np.ndarray, near: float) -> str | None:
    """The activation that makes `y` of `x` most closely, if any comes that near."""
    errors = {}
    for name, function in ACTIVATIONS.items():
        with np.errstate(over="ignore"):
            errors[name] = rms(function(x) - y)
    best = min(errors, key=errors.__getitem__)
    return best if errors[best] <= max(near, 1e-30) else None


def _beside(e: Evidence, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """An input and both values in one shape: what pads the values with zeros is cut off, and masked ones left out."""
    c, r = e.c, e.r
    if x.ndim != r.ndim:
        return None
    for position in range(r.ndim):
        extra = r.shape[position] - x.shape[position]
        if extra < 0 or extra > 64:
            return None
        if extra:
            used = occupied(r, position)
            start = int(used[0]) if len(used) else 0
            start = min(start, extra)
            c, r = (np.take(a, range(start, start + x.shape[position]), axis=position) for a in (c, r))
    kept = (r != 0) | (c != 0)
    return np.asarray(x, np.float64)[kept], c[kept], r[kept]


def occupied(array: np.ndarray, axis: int) -> np.ndarray:
    """The positions of an axis that hold any value but 0: the others may be padding."""
    return np.flatnonzero(np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1).any(axis=1))


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.isfinite(a).all()) and rms(a - b) <= 1e-4 * max(rms(b), 1e-30)
