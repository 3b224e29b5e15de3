"""What a sampler keeps and draws: a cut by probability or by their total at another limit, another random number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.diagnose.evidence import Evidence, Finding, hypothesis


@hypothesis
def cut(e: Evidence) -> Finding | None:
    """Both are numbers of likeliest entries that are kept of an input's scores: the limits that keep so many.

    A limit is a share of the highest probability (min-p), or a total of probabilities (top-p).
    """
    if e.reference.dtype.kind not in "iu" or e.candidate.shape != e.reference.shape or e.reference.ndim != 1:
        return None
    for name, scores, kept in _scores(e):
        ours, theirs = int(e.candidate[0]), int(e.reference[0])
        if ours == theirs or not 0 < min(ours, theirs) <= max(ours, theirs) <= len(scores):
            continue
        found = []
        for words, limits in (("share of the highest", _share), ("total", _total)):
            own, usual = limits(scores, ours), limits(scores, theirs)
            if own and usual:
                found.append(f"by a {words} of {own}, expected of {usual}")
        if found:
            text = f"{ours} of {name}'s values are kept{kept}, expected {theirs}: {'; or '.join(found)}"
            return Finding("cut", 0.85, text)
    return None


@hypothesis
def entry(e: Evidence) -> Finding | None:
    """A number is an entry of an input, but another one: of random numbers, say."""
    if not e.comparable or e.r.size != 1:
        return None
    for name, array in e.inputs.items():
        if array.ndim != 1 or array.dtype.kind != "f" or array.size < 2:
            continue
        ours, theirs = (np.flatnonzero(np.isclose(array, y.flat[0], rtol=1e-6, atol=0)) for y in (e.c, e.r))
        if len(ours) == len(theirs) == 1 and ours[0] != theirs[0]:
            return Finding("draw", 0.97, f"it is number {ours[0]} of {name}, expected number {theirs[0]}")
    return None


def _scores(e: Evidence) -> Iterator[tuple[str, np.ndarray, str]]:
    """Probabilities of the inputs that may be scores, the highest first: all, or as many as an earlier cut has kept."""
    for name, array in e.inputs.items():
        if array.ndim != 2 or len(array) != 1 or array.dtype.kind != "f" or array.shape[1] < 8:
            continue
        scores = np.sort(np.asarray(array[0], np.float64))[::-1]
        weights = np.exp(scores - scores[0])
        counts = [
            n for n, x in e.inputs.items() if x.dtype.kind in "iu" and x.shape == (1,) and not n.startswith("the ")
        ]
        before = counts[0] if counts else ""  # the latest tap, and no token of a state
        count = int(e.inputs[before][0]) if before else 0
        if 0 < count <= len(weights) and max(e.candidate[0], e.reference[0]) <= count:
            yield name, weights[:count] / weights[:count].sum(), f" of the {count} that {before} leaves"
        yield name, weights / weights.sum(), ""
        return


def _share(probabilities: np.ndarray, kept: int) -> str:
    following = probabilities[kept] / probabilities[0] if kept < len(probabilities) else 0.0
    return f"{following:.3g} to {probabilities[kept - 1] / probabilities[0]:.3g}"


def _total(probabilities: np.ndarray, kept: int) -> str:
    totals = np.cumsum(probabilities)
    return f"{totals[kept - 2] if kept > 1 else 0.0:.3g} to {totals[kept - 1]:.3g}"
