"""The verdict on a reduced dump: equal by its hash, or as near as its projections say. It goes as far as those go.

A projection of a slice is a sum with random signs. The mean of the squared differences of two arrays' projections is
the sum of squares of their difference: exactly on average over the signs, and within a known scatter for few of them.
Slices are not judged by themselves (`parity/judge/slices.py`): a record has no float64, and too few sums of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from parity.base.errors import InputError
from parity.base.metrics import difference
from parity.base.reduced import NEAR, Record, reduced
from parity.contract import ACCUMULATED, Contract, Rule
from parity.contract.axes import split
from parity.judge.floor import at_least, with_storage
from parity.judge.verdict import ONE_IN_100_000, Verdict, allowance, distinct

SURELY = 6.0
"""Standard deviations that chance is given where two numbers of one record contradict each other."""


def judge_reduced(
    contract: Contract,
    name: str,
    axes: str,
    mode: str,
    rule: Rule,
    record: Record,
    reference: np.ndarray,
    floors: Mapping[str, float],
    storage: str = "float32",
) -> list[Verdict]:
    """A verdict for each branch of a tap whose `axes` are those of the record, and of the golden array `reference`.

    The bounds are wider by what chance explains of the projections once in 100 000 times. Where the record's RMS or
    extremes are further off than the projections say of all values, it fails. Raises `InputError` for a record that has
    the hash of `reference`, but other numbers.
    """

    def failed(reason: str) -> list[Verdict]:
        return [Verdict(name, "", mode, False, reason, tuple(reference.shape), rule.ratio64, rule.ratio32)]

    if record.shape != reference.shape:
        return failed(f"shape {record.shape}, expected {reference.shape}; are these the axes of the bundle?")
    if not reference.size:
        return failed("empty tensor: nothing was verified")
    whole = reference.dtype.kind in "iub"
    if whole != (record.values.size == 0):
        return failed(f"a record of {record.dtype}, expected one of {reference.dtype.name}")
    theirs = reduced(reference, record.leading, record.projections)
    if record.hash == theirs.hash and (odd := record.unlike(theirs)):
        where = f"{name}.json" if mode == ACCUMULATED else f"{mode}/{name}.json"
        raise InputError(
            f"{where}: its numbers do not fit each other: its hash is the bundle's, but {odd}; write it anew"
        )
    if whole:
        if record.hash != theirs.hash:
            return failed("its hash is another, so some values are unequal; a record does not say which")
        branches = contract.branches(axes)
        shape = tuple(reference.shape)
        return [Verdict(name, branch, mode, True, "", shape, rule.ratio64, rule.ratio32) for branch in branches]
    labels = dict(contract.splits)
    if any(axis in labels for axis in axes.split()[record.leading :]):
        return failed(f"its {record.leading} leading axes of {axes!r} lack the axis that is split; keep more of them")
    if odd := _beyond(record, theirs):
        return failed(odd)
    parts = split(reference, axes, labels)
    rows = [
        split(found.values.reshape(*found.shape[: found.leading], found.projections), axes, labels)
        for found in (record, theirs)
    ]
    verdicts = []
    for (branch, values), (_, ours), (_, known) in zip(parts, *rows, strict=True):
        bound = allowance(distinct(values)) * chance(ours.size)
        scale = difference(values, values).reference_rms
        floor = with_storage(at_least(floors.get(branch, 0.0), scale), scale, storage)
        inner = values.size * record.projections // ours.size
        error = 0.0 if record.hash == theirs.hash else math.sqrt(float(np.mean((ours - known) ** 2)) / inner)
        reasons = []
        if record.nonfinite:
            reasons.append(f"{record.nonfinite} of {reference.size} values are NaN or infinite")
        if not error / floor <= bound * rule.ratio32:
            reasons.append(f"ratio32 {error / floor:.3g} > {bound * rule.ratio32:.3g}, {_most(ours, known, axes)}")
        verdicts.append(
            Verdict(
                name,
                branch,
                mode,
                not reasons,
                "; ".join(reasons),
                tuple(values.shape),
                bound_ratio64=bound * rule.ratio64,
                bound_ratio32=bound * rule.ratio32,
                reference_rms=scale,
                rmse=error,
                floor=floor,
                ratio32=error / floor,
                gain=float(np.vdot(ours, known) / np.vdot(known, known)) if known.any() else math.nan,
                nonfinite=record.nonfinite,
            )
        )
    return verdicts


def _beyond(record: Record, theirs: Record) -> str:
    """Which number of a whole record is further off than its projections say; empty for none.

    An RMS differs by no more than the RMSE, and an extreme by no more than that of one value with all of the error.
    """
    if record.nonfinite or theirs.nonfinite:
        return ""
    size = math.prod(record.shape)
    known = theirs.values.reshape(theirs.slices, -1)
    error = math.sqrt(float(np.mean((record.values.reshape(known.shape) - known) ** 2)) * theirs.slices / size)
    error = error / chance(record.projections, -SURELY) + NEAR * theirs.rms
    for name, most in (("rms", error), ("min", error * math.sqrt(size)), ("max", error * math.sqrt(size))):
        ours, expected = getattr(record, name), getattr(theirs, name)
        if abs(ours - expected) > most:
            return f"its {name} is {ours:.6g}, the bundle's {expected:.6g}: further apart than its projections say"
    return ""


def chance(projections: int, deviations: float = ONE_IN_100_000) -> float:
    """By what factor the RMS of so many projections is too large once in 100 000 times; with a minus, too small.

    Sums with random signs are no wider than normal ones, whose squares have the chi-square distribution; this is
    Wilson and Hilferty's formula (1931) for it.
    """
    width = 2 / (9 * projections)
    return float(max(1 - width + deviations * math.sqrt(width), 0.0) ** 1.5)


def seen(projections: int) -> float:
    """How many bounds an error has to be above, so as to be missed once in 100 000 times; infinite for very few."""
    least = chance(projections, -ONE_IN_100_000)
    return chance(projections) / least if least else math.inf


def _most(ours: np.ndarray, known: np.ndarray, axes: str) -> str:
    """The slice with the largest error."""
    energy = ((ours - known) ** 2).mean(axis=-1)
    place = np.unravel_index(int(np.argmax(energy)), energy.shape)
    names = ", ".join(f"{axis} {int(at)}" for axis, at in zip(axes.split(), place, strict=False))
    return f"most in the slice {names}" if names else "in its one slice"
