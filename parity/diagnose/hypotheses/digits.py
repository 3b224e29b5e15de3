"""Whole numbers that are made of digits: their order, their base, their sign."""

from __future__ import annotations

import numpy as np

from parity.diagnose.evidence import Evidence, Finding, hypothesis

MOST_DIGITS = 24
FEWEST = 12
"""Numbers beyond the unknown weights that must agree: a few agree by chance."""


@hypothesis
def digits(e: Evidence) -> Finding | None:
    """Both are sums of the same digits, each with another weight: `1 3 9 27` for the lowest first.

    The digits are those of the reference's numbers in the smallest base in which the weights are whole numbers.
    """
    if (
        e.reference.dtype.kind not in "iu"
        or e.candidate.shape != e.reference.shape
        or e.candidate.dtype.kind not in "iu"
    ):
        return None
    r, c = (np.asarray(a, np.int64).ravel() for a in (e.reference, e.candidate))
    if not r.size or r.min() < 0 or np.abs(c - r).max() == 0:
        return None
    widths = [x.shape[-1] for x in e.inputs.values() if x.ndim == e.reference.ndim + 1]
    for count in dict.fromkeys(n for n in widths if 1 < n <= MOST_DIGITS):
        base = next((base for base in range(2, 17) if base**count > r.max()), 0)
        if not base or len(np.unique(r)) < count + FEWEST:
            continue
        expected = base ** np.arange(count)
        columns = np.concatenate([r[:, None] // expected % base, np.ones((len(r), 1), np.int64)], axis=1)
        found, _, rank, _ = np.linalg.lstsq(columns.astype(np.float64), c.astype(np.float64), rcond=None)
        weights = np.round(found).astype(np.int64)
        if rank == count + 1 and (columns @ weights == c).all():
            return Finding("digits", 0.98, _words(weights, expected, base))
    return None


def _words(weights: np.ndarray, expected: np.ndarray, base: int) -> str:
    own, constant = weights[:-1], int(weights[-1])
    text = f"numbers of {len(own)} digits of base {base} whose weights are {_listed(own)}, expected {_listed(expected)}"
    if (own == expected[::-1]).all():
        text += ": the highest digit stands first"
    elif (own == -expected).all():
        text += ": each digit has the other sign"
    elif (np.sort(own) == np.sort(expected)).all():
        text += ": the digits are in another order"
    elif (own == own[1] ** np.arange(len(own))).all():
        text += f": of base {own[1]}"
    return text + (f", and {constant} is added" if constant else "")


def _listed(weights: np.ndarray) -> str:
    return " ".join(map(str, weights.tolist()))
