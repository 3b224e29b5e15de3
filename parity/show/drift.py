"""When a ratio has moved beyond its own scatter: before it fails, and not because there are many of them.

The logarithms of the ratios are compared, for ratios vary by factors. A ratio has a handful of earlier runs, so its own
scatter is hardly known; but there are thousands of ratios. The moderated t of Smyth (2004, Statistical Applications in
Genetics and Molecular Biology 3) takes the scatter of one to be drawn from the distribution that all of them show.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

FEWEST, MOST = 5, 30
"""Earlier runs that a judgement needs, and that it looks at."""
FALSE_MARKS = 0.01
"""How many marks a run may bring by chance, over all of its series together."""
STILL = 0.05
"""By how much a value must exceed all earlier ones: on one machine runs are often equal to the last bit."""
SUREST = 100.0
"""Degrees of freedom that the distribution of all scatters counts for at most."""


def drifts(values: np.ndarray) -> dict[int, str]:
    """Of series side by side, `(runs, series)`, those whose last value left the scatter of the others; in words.

    NaN stands for no value. Only growth beyond all earlier values counts: a smaller error is no drift to a failure.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.where(values > 0, values, np.nan)[-MOST - 1 :])
    earlier, newest = logs[:-1], logs[-1]
    count = np.isfinite(earlier).sum(axis=0)
    judged = np.flatnonzero((count >= FEWEST) & np.isfinite(newest))
    if not judged.size:
        return {}
    earlier, newest, count = earlier[:, judged], newest[judged], count[judged]
    mean = np.nanmean(earlier, axis=0)
    variance = np.maximum(np.nansum((earlier - mean) ** 2, axis=0) / (count - 1), (STILL / 2) ** 2)
    common, weight = prior(variance, count - 1)
    freedom = count - 1 + weight
    scatter = np.sqrt((weight * common + (count - 1) * variance) / freedom * (1 + 1 / count))
    tail = FALSE_MARKS / len(judged)
    allowed = np.array([quantile(tail, float(degrees)) for degrees in freedom]) * scatter
    moved = newest - mean
    beyond = (moved > allowed) & (newest > np.nanmax(earlier, axis=0) + math.log1p(STILL))
    return {
        int(judged[n]): f"{math.exp(moved[n]):.3g} times its mean of {count[n]} runs, "
        f"expected at most {math.exp(allowed[n]):.3g}"
        for n in np.flatnonzero(beyond)
    }


def prior(variance: np.ndarray, freedom: np.ndarray) -> tuple[float, float]:
    """The variance that all series have in common, and for how many degrees of freedom it counts; none of few series.

    By the mean and the variance of the logarithms: those of a sample's variance are digamma and trigamma of half its
    degrees of freedom, and what they vary more is how unlike the series are.
    """
    if len(variance) < FEWEST:
        return 1.0, 0.0
    shifted = np.log(variance) + np.array([math.log(n / 2) - digamma(n / 2) for n in freedom.tolist()])
    unlike = float(np.var(shifted, ddof=1) - np.mean([trigamma(n / 2) for n in freedom.tolist()]))
    weight = SUREST if unlike <= trigamma(SUREST / 2) else 2 * _falling(trigamma, unlike)
    return math.exp(float(np.mean(shifted)) + digamma(weight / 2) - math.log(weight / 2)), weight


@functools.lru_cache(maxsize=256)
def digamma(x: float) -> float:
    """The derivative of the logarithm of the gamma function at `x > 0`: by recurrence to 6, then its series."""
    if x < 6:
        return digamma(x + 1) - 1 / x
    return math.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / (252 * x**6)


@functools.lru_cache(maxsize=256)
def trigamma(x: float) -> float:
    """The derivative of digamma."""
    if x < 6:
        return trigamma(x + 1) + 1 / x**2
    return 1 / x + 1 / (2 * x**2) + 1 / (6 * x**3) - 1 / (30 * x**5) + 1 / (42 * x**7)


@functools.lru_cache(maxsize=256)
def quantile(tail: float, freedom: float) -> float:
    """Student's t that is exceeded with probability `tail`, at so many degrees of freedom."""
    return _falling(lambda t: upper_tail(t, freedom), tail)


def _falling(function: Callable[[float], float], value: float) -> float:
    """Where a function that falls from 0 on has a value; by bisection."""
    low, high = 0.0, 1.0
    while function(high) > value:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > value else (low, middle)
    return high


def upper_tail(t: float, freedom: float) -> float:
    """The probability that Student's t exceeds `t >= 0`: its density, summed from `t` on by Simpson's rule.

    With u = atan(t / sqrt(freedom)) the density is a constant times cos(u) ** (freedom - 1), on a finite interval.
    """
    start, parts = math.atan(t / math.sqrt(freedom)), 400
    width = (math.pi / 2 - start) / parts
    constant = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    total = 0.0
    for i in range(parts + 1):
        weight = 1 if i in (0, parts) else 4 if i % 2 else 2
        total += weight * math.sin((parts - i) * width) ** (freedom - 1)  # cos(u) = sin(pi / 2 - u), exact near the end
    return constant * total * width / 3
