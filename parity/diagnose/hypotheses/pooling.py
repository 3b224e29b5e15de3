"""A mean or deviation over time, computed again: of what is not rectified, over n or n - 1, or another statistic."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import FEW, LITTLE, Evidence, Finding, hypothesis, unknown
from parity.diagnose.hypotheses.functions import ACTIVATIONS

NEAR = 1e-5
BEFORE = ("identity", "ReLU", "absolute value", "square", "tanh", "SiLU", "exponential")
STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda x: np.asarray(x.mean(axis=-1)),
    "deviation over n - 1": lambda x: np.asarray(x.std(axis=-1, ddof=1)),
    "deviation over n": lambda x: np.asarray(x.std(axis=-1)),
    "variance over n - 1": lambda x: np.asarray(x.var(axis=-1, ddof=1)),
    "variance over n": lambda x: np.asarray(x.var(axis=-1)),
    "root of the mean square": lambda x: np.asarray(np.sqrt((x * x).mean(axis=-1))),
    "sum": lambda x: np.asarray(x.sum(axis=-1)),
    "maximum": lambda x: np.asarray(x.max(axis=-1)),
    "median": lambda x: np.asarray(np.median(x, axis=-1)),
}


@hypothesis
def pooled(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The value is one statistic of an input over time, or two of them side by side, and one is another."""
    if not e.comparable or e.r.ndim < 2 or e.axis("time") is not None:
        return None
    for name, array in e.inputs.items():
        x = np.asarray(array, np.float64)
        if array.dtype.kind != "f" or x.ndim != e.r.ndim + 1 or x.shape[-1] < 2:
            continue
        parts = e.r.shape[-1] // x.shape[-2] if x.shape[:-2] == e.r.shape[:-1] else 0
        if parts not in (1, 2) or parts * x.shape[-2] != e.r.shape[-1]:
            continue
        given = {function: ACTIVATIONS[function](x) for function in BEFORE}
        ways = product(given.items(), STATISTICS.items())
        made = {f"{statistic} of {function}": pool(y) for (function, y), (statistic, pool) in ways}
        found: list[str] = []
        for ours, theirs in zip(np.split(e.c, parts, axis=-1), np.split(e.r, parts, axis=-1), strict=True):
            usual = next((way for way, y in made.items() if rms(y - theirs) <= NEAR * rms(theirs)), None)
            own = min(made, key=lambda way: rms(made[way] - ours))
            rest = rms(made[own] - ours)
            far = own != usual and usual is not None and rest > LITTLE * rms(made[usual] - ours)
            if usual is None:
                found = []
                break
            if far or rest > max(NEAR * rms(ours), FEW * e.bound * e.floor):
                return unknown(f"the {usual} of {name}".replace(" of identity", ""), "statistic")
            found += [f"the {own} of {name}, expected the {usual}"] if own != usual else []
        if found:
            text = "; ".join(found).replace(" of identity", "")
            return Finding("statistic", 0.97, text)
    return None
