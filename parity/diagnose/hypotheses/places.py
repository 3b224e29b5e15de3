"""Where the error is: padding, branches, a few values, a limit, every n-th.

Where an error is does not say what it is. Of these findings, those that do not also give the candidate's values stand
behind all that explain the error.
"""

from __future__ import annotations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis

FEW, RARE = 0.05, 0.002  # shares of the values
LONGEST_PERIOD = 2048
PLACE = 0.3
"""Confidence, at most, in a finding that says where an error is and does not explain it."""

LEAST = 5.0
"""Noise floors from which on it is said where an error is: a smaller one lies where rounding was worst."""

APART = 0.25
"""Of the worst branch's RMSE, what a branch may have at most that is called right."""


@hypothesis
def one_branch(e: Evidence) -> Finding | None:
    """One branch of a guided batch is right and the other is not, or the two are swapped."""
    for position, axis in enumerate(e.axes):
        if axis not in e.labels or not e.comparable:
            continue
        names = e.labels[axis]
        ours, theirs, wrong = (np.split(a, len(names), axis=position) for a in (e.c, e.r, e.wrong))
        if e.left(np.concatenate([*theirs[1:], theirs[0]], axis=position)) < 0.02:
            return Finding("branches", 0.99, f"the branches are swapped: {', '.join(names)}")
        errors = {name: rms(our - their) for name, our, their in zip(names, ours, theirs, strict=True)}
        bad = [name for name, part in zip(names, wrong, strict=True) if part.any()]
        right = [errors[name] for name in names if name not in bad]
        if e.ratio >= LEAST and 0 < len(bad) < len(names) and max(right) <= APART * max(errors.values()):
            index = names.index(bad[0])
            others = [
                name for name, part in zip(names, ours, strict=True) if name not in bad and _same(part, ours[index])
            ]
            words = f", and equals {others[0]}" if others else ""
            words += ", and is 0" if not np.any(ours[index]) else ""
            return Finding("branches", 0.975 if words else PLACE, f"only {', '.join(bad)} is wrong{words}")
    return None


@hypothesis
def padding(e: Evidence) -> Finding | None:
    """Wrong only at the ends of items, from another position on in each, or only where one side is 0."""
    batch, time = e.axis("batch"), e.axis("time")
    if not e.comparable or batch is None or time is None or not e.wrong.any() or e.ratio < LEAST:
        return None
    bad = _profile(e.wrong, batch, time)
    starts = {int(np.argmax(row)) if row.any() else len(row) for row in bad}
    suffixes = all(row[int(np.argmax(row)) :].all() for row in bad if row.any())
    masked = (e.r[e.wrong] == 0).all() or (e.c[e.wrong] == 0).all()
    if suffixes and len(starts) > 1 and bad.shape[1] > 1 and 0 not in starts:
        zero = ", where one side is 0" if masked else ""
        text = f"wrong only in the last positions, from another one in each item{zero}"
        return Finding("padding", 0.98 if masked else PLACE, text)
    if masked and not bad.all():
        side = "reference" if (e.r[e.wrong] == 0).all() else "candidate"
        share = float(e.wrong.mean())
        return Finding("padding", 0.9, f"wrong only where the {side} is 0, {share:.1%} of the values: a mask")
    return None


@hypothesis
def few_values(e: Evidence) -> Finding | None:
    """All but a few values are right."""
    if not e.comparable or e.ratio < LEAST:
        return None
    count = int(e.wrong.sum())
    if not 0 < count <= max(FEW * e.wrong.size, 3) or e.wrong.size < 20:
        return None
    ratios = e.c[e.wrong] / np.where(e.r[e.wrong] == 0, np.nan, e.r[e.wrong])
    alike = np.ptp(ratios) <= 1e-4 * abs(ratios[0]) and abs(ratios[0] - 1) > 1e-4
    same = f", each by a factor of {ratios[0]:.5g}" if alike else ""
    sure = (0.96 if count <= max(3, RARE * e.wrong.size) else 0.88) if same else PLACE
    return Finding("few values", sure, f"{count} of {e.wrong.size} values are wrong{same}, the others right")


@hypothesis
def clipped(e: Evidence) -> Finding | None:
    """Wrong only where one side is at its lowest or highest value: a limit that the other has not."""
    if not e.comparable or not e.wrong.any():
        return None
    for side, array in (("reference", e.r), ("candidate", e.c)):
        for what, limit in (("lowest", array.min()), ("highest", array.max())):
            at = np.abs(array - limit) <= 1e-6 * max(abs(limit), rms(e.r))
            if 2 < at.sum() < 0.9 * at.size and limit != 0 and e.left(np.where(at, e.c, e.r)) < 0.01:
                return Finding("limit", 0.94, f"wrong only where the {side} is at its {what}, {limit:.6g}: a limit")
    return None


@hypothesis
def period(e: Evidence) -> Finding | None:
    """The error has a period: what it is depends on the position within a stride or a hop."""
    if not e.comparable or e.r.size < 64 or e.ratio < LEAST:
        return None
    position = int(np.argmax(e.r.shape))
    length = e.r.shape[position]
    others = tuple(i for i in range(e.r.ndim) if i != position)
    energy, scale = (np.sqrt((a * a).mean(axis=others)) for a in (e.error, e.r))
    ratio = energy / np.maximum(scale, 1e-3 * rms(e.r))
    ratio = np.minimum(ratio, np.quantile(ratio, 0.99))
    total = float(((ratio - ratio.mean()) ** 2).sum())
    if total <= 1e-12 * float((ratio * ratio).sum()):
        return None
    for n in range(2, min(LONGEST_PERIOD, length // 6) + 1):
        rows = ratio[: length - length % n].reshape(-1, n)
        within = float(((rows - rows.mean(axis=0)) ** 2).sum())
        if within < 0.1 * total:
            return Finding(
                "period", PLACE, f"the error repeats every {n} positions of {e.axes[position]}: a stride or a hop"
            )
    return None


def _profile(wrong: np.ndarray, batch: int, time: int) -> np.ndarray:
    """Items by positions: where any value is wrong."""
    moved = np.moveaxis(wrong, (batch, time), (0, 1))
    return np.asarray(moved.reshape(*moved.shape[:2], -1).any(axis=2))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-6 * max(float(np.abs(b).max()), 1e-30)))
