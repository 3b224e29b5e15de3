"""A second look at errors that fail narrowly: how much of the noise floor they were judged by is chance.

A floor is the error of one run of the reference. Where few things in it are independent, as behind a recurrent layer,
two equally exact runs may be 2 and 3 apart, and no count of values tells. So the reference is run again, in float32 and
float64, from the same values with other roundings: inputs are changed in their last bits, and of local errors every
value that a block is fed with. The mean of these floors is what the candidate is judged by then, and their scatter says
how much wider its bounds are. A second look passes all that failed, or changes no verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np

from parity.base.draws import generator
from parity.base.metrics import HALF_ULP_RMS, rms, rmse
from parity.capture.runner import Runner
from parity.capture.trace import Trace, copied, keep
from parity.contract import ACCUMULATED, LOCAL, Contract, Rule, Segment
from parity.contract.implementation import Case, State
from parity.judge.segment import branches
from parity.judge.verdict import FEWEST, Verdict, allowance, chance

RUNS = 16
"""Of 8, a scatter of 0.3 may come out as 0.15."""

LAST_BITS = 2.0**-14
"""By how much values are changed at most, relative. An average of thousands of them moves by some roundings then; of
changes by a few units of the last place it would move by none, and the runs would round alike."""

Floors = dict[tuple[str, str, str], list[float]]
"""Of each mode, tap and branch."""


def doubtful(failures: Iterable[Verdict]) -> list[Verdict]:
    """The failures, if a second look can change what the run comes to; else none.

    It can where all are finite, and none is further beyond its bound than chance is for the fewest values that are ever
    counted. Where one is, something is wrong anyway.
    """
    failures = list(failures)
    narrow = all(not v.nonfinite and v.headroom >= 1 / allowance(FEWEST) for v in failures)
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

    One side's weights are held at a time, and only these taps; of local errors also what their segments are fed with.
    """
    wanted = {mode: {v.tap for v in failures if v.mode == mode} for mode in (ACCUMULATED, LOCAL)}
    axes = {tap.name: tap.axes for segment in segments for tap in segment.taps}
    fed = _fed(runners["reference"], case, segments, wanted[LOCAL])
    entry: Trace = {}  # the first tap: tokens are integers, and what is made of them is the first that can be changed
    runners["reference"].run(segments[0], case.inputs, keep(entry, {segments[0].taps[0].name}))
    seen: dict[str, list[dict[str, Trace]]] = {}
    for name in ("reference", "exact"):
        runner, seen[name] = runners[name], [{ACCUMULATED: {}, LOCAL: {}} for _ in range(RUNS)]
        for number, traces in enumerate(seen[name]):
            state = nearby(case.inputs, case.name, number)
            changed = {**decided, **nearby(entry, f"{case.name} entry", number)}
            for segment in _until(segments, wanted[ACCUMULATED]):
                state = runner.run(segment, state, keep(traces[ACCUMULATED], wanted[ACCUMULATED]), forced=changed)
            for segment, start, given in fed:
                start, given = nearby(start, case.name, number), nearby(given, f"{case.name} taps", number)
                runner.run(segment, start, keep(traces[LOCAL], wanted[LOCAL]), forced=given)
        runner.side.release()
    found: Floors = {}
    for reference, exact in zip(seen["reference"], seen["exact"], strict=True):
        for mode, taps in wanted.items():
            for tap in taps:
                for branch, ours, double in branches(contract, axes[tap], reference[mode][tap], exact[mode][tap]):
                    floor = max(rmse(ours, double), rms(double) * HALF_ULP_RMS)
                    found.setdefault((mode, tap, branch), []).append(floor)
    return found


def _until(segments: list[Segment], wanted: Collection[str]) -> list[Segment]:
    """The segments up to the last one that has a wanted tap."""
    last = max((number for number, segment in enumerate(segments) if _has(segment, wanted)), default=-1)
    return segments[: last + 1]


def _has(segment: Segment, wanted: Collection[str]) -> bool:
    return any(tap.name in wanted for tap in segment.taps)


def _fed(
    reference: Runner, case: Case, segments: list[Segment], wanted: Collection[str]
) -> list[tuple[Segment, State, Trace]]:
    """Each segment that has a wanted tap, the reference's state before it, and its taps."""
    fed, state = [], case.inputs
    for segment in _until(segments, wanted):
        trace: Trace = {}
        if _has(segment, wanted):
            fed.append((segment, copied(state), trace))
        state = reference.run(segment, state, keep(trace, None if _has(segment, wanted) else ()))
    return fed


def nearby(values: Mapping[str, np.ndarray], draw: str, number: int) -> State:
    """The values, those other than integers changed in their last bits: each `number` in another way."""
    state = {}
    for name, array in values.items():
        if array.dtype.kind == "f":
            change = generator(f"{draw} {number}", name).uniform(-LAST_BITS, LAST_BITS, array.shape)
            array = (array * (1 + change)).astype(array.dtype)
        state[name] = array
    return state


def judged_again(verdict: Verdict, rule: Rule, floors: list[float]) -> Verdict:
    """A failure by other floors than its own; as it was if it fails by these as well.

    The floor is now a mean of many, so that chance is in the candidate's error, and an nth of it in the floor.
    """
    floor = rms(np.array(floors))
    scatter = float(np.std(np.log(floors), ddof=1)) * np.sqrt(1 + 1 / len(floors))
    few = verdict.bound_ratio64 / rule.ratio64
    wider = max(few, min(chance(scatter), allowance(FEWEST))) / few
    again = replace(
        verdict,
        floor=floor,
        floors=len(floors),
        ratio32=verdict.ratio32 * verdict.floor / floor,
        ratio64=verdict.ratio64 * verdict.floor / floor,
        bound_ratio32=verdict.bound_ratio32 * wider,
        bound_ratio64=verdict.bound_ratio64 * wider,
    )
    return replace(again, passed=True, reason="") if again.headroom >= 1 else verdict
