"""Diagnosis from two folders of dumps: nothing can be run again, so it reaches as far as the dumps do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from parity.base.bfloat16 import widened
from parity.base.errors import InputError
from parity.base.walk import GLANCE, around, gathered
from parity.contract import ACCUMULATED, Contract, Tap
from parity.diagnose.bisect import Found, Probe
from parity.diagnose.conclude import Diagnosis, alone
from parity.diagnose.evidence import Evidence, Finding
from parity.diagnose.growth import growth
from parity.diagnose.inside import INPUTS, turned
from parity.diagnose.recognise import recognise, shared
from parity.judge.verdict import Verdict

Load = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Known:
    """What is known of the first wrong tap beside the taps: its noise floor, what its segment was given, and the
    checkpoint's weights, if the checkpoint is at hand."""

    floor: float = 0.0
    given: Mapping[str, np.ndarray] = field(default_factory=dict)
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)


def diagnose_dumps(
    contract: Contract,
    first: Verdict,
    verdicts: list[Verdict],
    taps: Mapping[str, Tap],
    golden: Load,
    candidate: Load | None,
    known: Known,
) -> Diagnosis:
    """What the first wrong dump looks like, and whether the stored value is wrong instead of the port's.

    There is no `candidate` where its dump is reduced. Of a tap of more than `GLANCE` values the part of so many around
    the worst one is looked at.
    """
    rows = growth(verdicts, first.tap)
    if not first.shape or first.tap not in taps:
        return Diagnosis(first, findings=[Finding("taps", 0.99, first.reason)], growth=rows)
    if candidate is None:
        return Diagnosis(first, growth=rows, note="it is reduced, so its values cannot be looked at")
    names, axes = list(taps), taps[first.tap].axes
    before = names[: names.index(first.tap)][-INPUTS:]
    theirs = golden(first.tap)
    ours = candidate(first.tap)
    whole = theirs.size <= GLANCE
    if not whole and ours.shape == theirs.shape:
        part = around(_place(contract, first, axes, theirs.shape), theirs.shape, GLANCE)
        ours, theirs = gathered(ours[part]), gathered(theirs[part])
    inputs = {name: value for name in reversed(before) if whole and (value := golden(name)).size <= GLANCE}
    inputs |= {f"the input {name}": value for name, value in known.given.items() if whole and value.size <= GLANCE}
    evidence = Evidence(
        first.tap,
        widened(ours),
        theirs,
        None,
        tuple(axes.split()),
        {name: turned(value, theirs.shape) for name, value in inputs.items()},
        contract.splits,
        contract.roles,
        known=known.floor,
        bound=contract.rule(first.tap, first.mode).ratio32,
        weights=known.weights,
    )
    stale = _stale(verdicts, first, taps) if ours.shape == theirs.shape else []
    found = shared([*stale, *recognise(evidence)])
    return Diagnosis(first, "", found, rows, alone(contract, first))


def _place(contract: Contract, first: Verdict, axes: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Where the worst element of a verdict's branch is in the whole array."""
    labels, where = contract.branches(axes), list(first.where or (0,) * len(shape))
    for position, axis in enumerate(axes.split()):
        if axis in contract.splits:
            where[position] += labels.index(first.branch) * (shape[position] // len(labels))
    return tuple(where)


def _stale(verdicts: list[Verdict], first: Verdict, taps: Mapping[str, Tap]) -> list[Finding]:
    """Whether every block that has a wrong value inside is right all the same. Other taps need not read that value.

    Of local errors that says nothing: each block behind is given the reference's values.
    """
    path, place = taps[first.tap].path, first.tap.removeprefix(taps[first.tap].path)
    around = {tap.name for tap in taps.values() if path.startswith(f"{tap.path}.") and tap.name == tap.path + place}
    later = [verdict for verdict in verdicts if verdict.tap in around]
    if first.mode != ACCUMULATED or not later or any(not verdict.passed for verdict in later):
        return []
    names = ", ".join(dict.fromkeys(verdict.tap for verdict in later))
    return [Finding("stale", 0.96, f"{names} around it is right: the stored value is stale, or nothing reads this one")]


def bisect_dumps(names: list[str], judge: Callable[[str], Verdict]) -> Found:
    """The first wrong one among the taps `names`, judged one by one: errors are taken to stay once they are there."""
    if not names:
        raise InputError("no dump has the name of a tap; nothing can be searched")
    probes = [_probe(names, len(names) - 1, judge)]
    if probes[0].passed:
        return Found("", names[-1], len(names), 1, 0, probes, "the last dump is right")
    good, bad = -1, len(names) - 1
    while bad - good > 1:
        probes.append(_probe(names, (good + bad) // 2, judge))
        good, bad = (probes[-1].midpoint, bad) if probes[-1].passed else (good, probes[-1].midpoint)
    note = f"the last right one is {names[good]}" if good >= 0 else "nothing before it was dumped"
    return Found(names[bad], names[-1], len(names), len(probes), 0, probes, note)


def _probe(names: list[str], number: int, judge: Callable[[str], Verdict]) -> Probe:
    verdict = judge(names[number])
    return Probe(number, names[number], verdict.passed, verdict.ratio32)
