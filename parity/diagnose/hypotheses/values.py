"""What the values themselves say: not finite, constant, integers, or with nothing in common with the reference."""

from __future__ import annotations

import numpy as np

from parity.diagnose.evidence import Evidence, Finding, hypothesis


@hypothesis
def not_finite(e: Evidence) -> Finding | None:
    """NaN or infinity is born here: what fed it was finite. That is no cause: whatever explains it stands before."""
    if e.candidate.dtype.kind != "f" or e.finite:
        return None
    bad = ~np.isfinite(e.candidate)
    nan = int(np.isnan(e.candidate).sum())
    first = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    text = (
        f"{int(bad.sum())} of {bad.size} values are not finite ({nan} NaN), the first at {first}; its inputs are finite"
    )
    return Finding("not finite", 0.65, text)


@hypothesis
def constant(e: Evidence) -> Finding | None:
    """The candidate is one number where the reference is not."""
    if not e.comparable or e.r.size < 2 or np.ptp(e.c) > 0 or np.ptp(e.r) == 0:
        return None
    return Finding("constant", 0.98, f"every value is {e.c.flat[0]:.6g}: it was never computed")


@hypothesis
def settings(e: Evidence) -> Finding | None:
    """Of a short list of numbers, such as defaults, one or two are others: each is told."""
    if not e.comparable or e.r.ndim != 1 or not 3 <= e.r.size <= 64 or not 0 < e.wrong.sum() <= min(2, e.r.size // 2):
        return None
    numbers = [f"number {i} is {e.c[i]:.6g}, expected {e.r[i]:.6g}" for i in np.flatnonzero(e.wrong)]
    return Finding("few values", 0.95, f"{'; '.join(numbers)}, of {e.r.size} that are right otherwise")


@hypothesis
def integers(e: Evidence) -> Finding | None:
    """Integers that are all off by one number, or some that were decided otherwise."""
    if e.candidate.dtype.kind not in "iub" or e.candidate.shape != e.reference.shape or not e.reference.size:
        return None
    off = e.candidate.astype(np.int64) - e.reference.astype(np.int64)
    if off.any() and (off == off.flat[0]).all() and off.size > 1:
        return Finding("offset", 0.97, f"every integer is off by {off.flat[0]}")
    if not off.any():
        return None
    count, place = int(np.count_nonzero(off)), int(np.flatnonzero(off)[0])
    decided, expected = e.candidate.flat[place], e.reference.flat[place]
    others = ", the first" if count > 1 else ""
    sentence = f"{count} of {off.size} decided otherwise{others}: {decided}, expected {expected}"
    return Finding("decision", 0.8, sentence)
