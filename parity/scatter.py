"""A second look at inherited errors that fail narrowly: how much of the noise floor they were judged by is chance.

A floor is the error of one run of the reference. Where few things in it are independent, as behind a recurrent layer,
two equally exact runs may be 2 and 3 apart, and no count of values tells. So the reference is run again, in float32 and
float64, from inputs that differ from the case's in their last bits: the same values, with other roundings. The mean of
these floors is what the candidate is judged by then, and their scatter says how much wider its bounds are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from parity.capture import Runner
from parity.contract import INHERITED, Contract, Rule, Segment
from parity.draws import generator
from parity.judging import branches
from parity.metrics import HALF_ULP_RMS, rms, rmse
from parity.side import Case, State
from parity.trace import Trace, keep
from parity.verdict import FEWEST, Verdict, allowance, chance

RUNS = 8
LAST_BITS = 2.0**-21
"""By how much inputs are changed at most, relative: 4 units of the last place."""

Floors = dict[tuple[str, str], list[float]]


def doubtful(failures: Iterable[Verdict]) -> list[Verdict]:
    """The failures, if a second look can change what the run comes to; else none.

    It can where all are of inherited error and finite, and none is further beyond its bound than chance is for the
    fewest values that are ever counted. Where one is, something is wrong anyway.
    """
    failures = list(failures)
    narrow = all(v.mode == INHERITED and not v.nonfinite and v.headroom >= 1 / allowance(FEWEST) for v in failures)
    return failures if narrow else []


def floors(
    contract: Contract,
    case: Case,
    segments: list[Segment],
    runners: dict[str, Runner],
    decided: Trace,
    failures: list[Verdict],
) -> Floors:
    """The floors of each failure's tap and branch in `RUNS` other runs, which keep the decisions that the first made.

    One side's weights are held at a time, and only these taps.
    """
    wanted = {verdict.tap for verdict in failures}
    last = max(number for number, segment in enumerate(segments) if wanted & {tap.name for tap in segment.taps})
    axes = {tap.name: tap.axes for segment in segments for tap in segment.taps}
    seen: dict[str, list[Trace]] = {}
    for name in ("reference", "exact"):
        seen[name] = [{} for _ in range(RUNS)]
        for number, trace in enumerate(seen[name]):
            state = nearby(case, number)
            for segment in segments[: last + 1]:
                state = runners[name].run(segment, state, keep(trace, wanted), graft=decided)
        runners[name].side.release()
    found: Floors = {}
    for reference, exact in zip(seen["reference"], seen["exact"], strict=True):
        for tap in wanted:
            for branch, ours, truth in branches(contract, axes[tap], reference[tap], exact[tap]):
                found.setdefault((tap, branch), []).append(max(rmse(ours, truth), rms(truth) * HALF_ULP_RMS))
    return found


def nearby(case: Case, number: int) -> State:
    """The case's inputs, numbers other than integers changed in their last bits: each `number` in another way."""
    state = {}
    for name, array in case.inputs.items():
        if array.dtype.kind == "f":
            change = generator(f"{case.name} {number}", name).uniform(-LAST_BITS, LAST_BITS, array.shape)
            array = (array * (1 + change)).astype(array.dtype)
        state[name] = array
    return state


def judged_again(verdict: Verdict, rule: Rule, floors: list[float]) -> Verdict:
    """A failure by other floors than its own; as it was if it fails by these as well.

    The floor is now a mean of many, so that chance is in the candidate's error, and an nth of it in the floor.
    """
    floor = rms(np.array(floors))
    scatter = float(np.std(np.log(floors), ddof=1)) * np.sqrt(1 + 1 / len(floors))
    few = verdict.bound_truth / rule.truth
    wider = max(few, min(chance(scatter), allowance(FEWEST))) / few
    again = replace(
        verdict,
        floor=floor,
        floors=len(floors),
        distance=verdict.distance * verdict.floor / floor,
        truth=verdict.truth * verdict.floor / floor,
        bound_distance=verdict.bound_distance * wider,
        bound_truth=verdict.bound_truth * wider,
    )
    return replace(again, passed=True, reason="") if again.headroom >= 1 else verdict
