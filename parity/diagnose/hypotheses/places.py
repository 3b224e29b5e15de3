"""Where the error is: padding, edges, items, channels, branches, a few values, every n-th."""

from __future__ import annotations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis

FEW, RARE = 0.05, 0.002  # shares of the values
LARGE = -1e4  # from which a bias rules a position out
LONGEST_PERIOD = 2048


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
        bad = [name for name, part in zip(names, wrong, strict=True) if part.any()]
        if 0 < len(bad) < len(names):
            index = names.index(bad[0])
            others = [
                name for name, part in zip(names, ours, strict=True) if name not in bad and _same(part, ours[index])
            ]
            words = f", and equals {others[0]}" if others else ""
            words += ", and is 0" if not np.any(ours[index]) else ""
            return Finding("branches", 0.975, f"only {', '.join(bad)} is wrong{words}")
    return None


@hypothesis
def padding(e: Evidence) -> Finding | None:
    """Wrong only at the ends of items, from another position on in each, or only where one side is 0."""
    batch, time = e.axis("batch"), e.axis("time")
    if not e.comparable or batch is None or time is None or not e.wrong.any():
        return None
    bad = _profile(e.wrong, batch, time)
    starts = {int(np.argmax(row)) if row.any() else len(row) for row in bad}
    suffixes = all(row[int(np.argmax(row)) :].all() for row in bad if row.any())
    masked = (e.r[e.wrong] == 0).all() or (e.c[e.wrong] == 0).all()
    if suffixes and len(starts) > 1 and bad.shape[1] > 1 and 0 not in starts:
        zero = ", where one side is 0" if masked else ""
        return Finding("padding", 0.98, f"wrong only in the last positions, from another one in each item{zero}")
    if masked and not bad.all():
        side = "reference" if (e.r[e.wrong] == 0).all() else "candidate"
        share = float(e.wrong.mean())
        return Finding("padding", 0.9, f"wrong only where the {side} is 0, {share:.1%} of the values: a mask")
    return None


@hypothesis
def additive(e: Evidence) -> Finding | None:
    """The reference is an additive mask, 0 and a large negative number, and the candidate is another thing."""
    if e.candidate.shape != e.reference.shape or e.reference.dtype.kind != "f" or e.reference.size < 2:
        return None
    levels = np.unique(e.r)
    if len(levels) > 2 or not levels[0] <= LARGE or (len(levels) > 1 and levels[1] != 0):
        return None
    ours = np.unique(e.candidate)
    if set(ours.tolist()) <= {0.0, 1.0}:
        return Finding("mask", 0.995, "the additive mask is 0/1: it was left unconverted")
    if len(ours) <= 2:
        return Finding("mask", 0.995, f"the additive mask is {ours[0]:.3g} elsewhere: of other lengths or another item")
    return Finding("mask", 0.99, f"the additive mask has {len(ours)} values")


@hypothesis
def items(e: Evidence) -> Finding | None:
    """Some items of a batch are right and others wrong: what differs between items is their lengths, so their masks."""
    batch = e.axis("batch")
    if not e.comparable or batch is None:
        return None
    bad = _along(e.wrong, batch)
    if not 0 < bad.sum() < len(bad):
        return None
    if e.axes[batch] in e.labels:  # the same items must be wrong in each branch
        halves = np.split(bad, len(e.labels[e.axes[batch]]))
        if not halves[0].any() or any((half != halves[0]).any() for half in halves):
            return None
    which = ", ".join(map(str, np.flatnonzero(bad)[:6]))
    return Finding(
        "mask", 0.9, f"wrong in item {which} of {len(bad)} alone: a mask of lengths, ignored, 0/1, or of another item"
    )


@hypothesis
def edges(e: Evidence) -> Finding | None:
    """Wrong only at the first or last positions of an axis that is neither batch nor channels."""
    if not e.comparable or not e.wrong.any():
        return None
    for position, axis in enumerate(e.axes):
        length = e.wrong.shape[position]
        if e.role(position) in ("batch", "channel", "head", "width", "feature", "class") or length < 5:
            continue
        bad = _along(e.wrong, position)
        places = np.flatnonzero(bad)
        first, last = places[places < length // 2], places[places >= length // 2]
        reach = max(first.max() + 1 if len(first) else 0, length - last.min() if len(last) else 0)
        if reach <= length / 3:
            where = " and ".join(w for w, found in (("first", len(first)), ("last", len(last))) if found)
            return Finding(
                "edges",
                0.93,
                f"wrong only in the {where} {reach} of {length} positions of {axis}: padding or reflection",
            )
    return None


@hypothesis
def channels(e: Evidence) -> Finding | None:
    """Wrong only in some channels that lie together, or in every n-th."""
    for position, axis in enumerate(e.axes):
        if not e.comparable or axis not in ("c", "h", "d", "s", "f"):
            continue
        bad = _along(e.wrong, position)
        places = np.flatnonzero(bad)
        if len(bad) < 4 or not 0 < len(places) <= len(bad) / 2:
            continue
        steps = np.diff(places)
        if len(places) == 1 or (steps == steps[0]).all():
            how = f"{places[0]} ... {places[-1]}" + (f", every {steps[0]}th" if len(steps) and steps[0] > 1 else "")
            return Finding("channels", 0.8, f"wrong only in {len(places)} of {len(bad)} {axis}: {how}")
    return None


@hypothesis
def few_values(e: Evidence) -> Finding | None:
    """All but a few values are right."""
    if not e.comparable:
        return None
    count = int(e.wrong.sum())
    if not 0 < count <= max(FEW * e.wrong.size, 3) or e.wrong.size < 20:
        return None
    ratios = e.c[e.wrong] / np.where(e.r[e.wrong] == 0, np.nan, e.r[e.wrong])
    same = f", each by a factor of {ratios[0]:.5g}" if np.ptp(ratios) <= 1e-4 * abs(ratios[0]) else ""
    sure = 0.96 if count <= max(3, RARE * e.wrong.size) else 0.88
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
    if not e.comparable or e.r.size < 64:
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
                "period", 0.85, f"the error repeats every {n} positions of {e.axes[position]}: a stride or a hop"
            )
    return None


def _along(wrong: np.ndarray, axis: int) -> np.ndarray:
    """At which positions of an axis any value is wrong."""
    return np.asarray(wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis)))


def _profile(wrong: np.ndarray, batch: int, time: int) -> np.ndarray:
    """Items by positions: where any value is wrong."""
    moved = np.moveaxis(wrong, (batch, time), (0, 1))
    return np.asarray(moved.reshape(*moved.shape[:2], -1).any(axis=2))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-6 * max(float(np.abs(b).max()), 1e-30)))
