"""When a ratio has moved beyond its own scatter: before it fails, and not because there are many of them."""

from __future__ import annotations

import functools
import math
import statistics

FEWEST, MOST = 5, 30
"""Earlier runs that a judgement needs, and that it looks at."""
FALSE_MARKS = 0.01
"""How many marks a run may bring by chance, over all of its series together."""
STILL = 0.05
"""By how much a value must exceed all earlier ones: on one machine runs are often equal to the last bit."""


def drifted(values: list[float], series: int) -> str:
    """In words, how the last of the values left the others' scatter; empty where it did not, or where they are few.

    `series` is how many are judged together. The logarithms are compared, for ratios vary by factors: the new one lies
    outside the interval in which one more value of the same normal distribution falls but once in `series /
    FALSE_MARKS` times. Only growth beyond all of them counts: a smaller error is no drift towards a failure.
    """
    *earlier, newest = values[-MOST - 1 :]
    earlier = [value for value in earlier if value > 0]
    if len(earlier) < FEWEST or newest <= max(earlier) * (1 + STILL):
        return ""
    logs = [math.log(value) for value in earlier]
    scatter = max(statistics.stdev(logs), STILL / 2)
    moved = math.log(newest) - statistics.fmean(logs)
    allowed = quantile(FALSE_MARKS / series, len(logs) - 1) * scatter * math.sqrt(1 + 1 / len(logs))
    if moved <= allowed:
        return ""
    return f"{math.exp(moved):.3g} times its mean of {len(logs)} runs, expected at most {math.exp(allowed):.3g}"


@functools.lru_cache(maxsize=256)
def quantile(tail: float, freedom: int) -> float:
    """Student's t that is exceeded with probability `tail`, at so many degrees of freedom; by bisection."""
    low, high = 0.0, 1.0
    while upper_tail(high, freedom) > tail:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if upper_tail(middle, freedom) > tail else (low, middle)
    return high


def upper_tail(t: float, freedom: int) -> float:
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
