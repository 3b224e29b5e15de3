"""Phases and tables: whole turns, a drift, an argument with another scale, an evenly spaced grid."""

from __future__ import annotations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis

CHUNKS = 8


@hypothesis
def wrapped(e: Evidence) -> Finding | None:
    """The error is whole turns."""
    if not e.comparable or not e.wrong.any():
        return None
    turns = e.error / (2 * np.pi)
    if np.abs(turns - np.round(turns)).max() < 1e-4 and np.abs(np.round(turns)).max() >= 1:
        return Finding("phase", 0.98, f"{int(e.wrong.sum())} values are off by whole turns: a phase, wrapped or not")
    return None


@hypothesis
def drift(e: Evidence) -> Finding | None:
    """The error grows along a long axis and the values do not: a running sum that loses digits, a rate that is off."""
    if not e.comparable or max(e.r.shape) < 16 * CHUNKS:
        return None
    position = int(np.argmax(e.r.shape))
    error, values = ([rms(part) for part in np.array_split(a, CHUNKS, axis=position)] for a in (e.error, e.r))
    ratio = np.array(error) / np.maximum(values, 1e-30)
    rising = np.mean(np.diff(ratio) > 0)
    growth = ratio[-2:].mean() / max(ratio[:2].mean(), 1e-30)
    if rising >= 0.7 and growth > 3 and 0.5 < rms(e.c) / max(rms(e.r), 1e-30) < 2:
        return Finding(
            "phase", 0.87, f"the error grows {growth:.3g} times along {e.axes[position]}: a phase that drifts"
        )
    return None


@hypothesis
def argument(e: Evidence) -> Finding | None:
    """Sines of the right arguments times a number: seen where both are so small that the sine is its argument."""
    if not e.comparable or max(np.abs(e.r).max(), np.abs(e.c).max()) > 1 + 1e-6:
        return None
    small = (np.abs(e.r) < 0.3) & (np.abs(e.c) < 0.3) & (np.abs(e.r) > 1e-6) & (np.abs(e.c) > 1e-9)
    if small.sum() < 2:
        return None
    ratios = np.arcsin(e.c[small]) / np.arcsin(e.r[small])
    k = float(np.median(ratios))
    for name, value in (("a thousand", 1000.0), ("2 pi", 2 * np.pi), ("a hundred", 100.0)):
        for factor, how in ((value, name), (1 / value, f"the inverse of {name}")):
            if abs(abs(k) / factor - 1) < 0.05:
                return Finding("scale", 0.92, f"sines of {k:.4g} times the right arguments: {how}")
    return None


@hypothesis
def even_grid(e: Evidence) -> Finding | None:
    """The candidate's steps are equal and the reference's are not: a linear grid for a curved one."""
    if not e.comparable or e.r.ndim != 1 or e.r.size < 3:
        return None
    ours, theirs = np.diff(e.c), np.diff(e.r)
    if np.ptp(ours) <= 1e-4 * abs(ours).max() and np.ptp(theirs) > 1e-2 * abs(theirs).max():
        return Finding(
            "schedule", 0.98, f"equal steps of {ours.mean():.5g}, expected {theirs.min():.4g} to {theirs.max():.4g}"
        )
    return None
