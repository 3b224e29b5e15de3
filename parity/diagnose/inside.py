"""Looking into the first bad tap: what its modules are given and return on both sides, in the order of execution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations

import numpy as np

from parity.base.metrics import rmse
from parity.capture.handed import handed_on
from parity.capture.runner import INPUT, OUTPUT, Runner, Watch
from parity.capture.trace import Trace, keep
from parity.contract import LOCAL, Contract, Segment, Tap
from parity.contract.implementation import State
from parity.diagnose.evidence import Evidence
from parity.judge.floor import noise_floor
from parity.judge.verdict import allowance

DEPTH = 2
"""Modules below the tap's own that are watched: all of a big block would not fit."""

WRONG = 4.0
"""Noise floors from which a value within the tap counts as wrong; it only chooses what is looked at."""

INPUTS = 12
"""Earlier values that a hypothesis is given."""

THEIRS = ("reference", "exact", "rounded")

Key = tuple[str, str, int]


@dataclass(frozen=True)
class Suspect:
    """The first bad tap, and the states from which each side's run of its segment is to be repeated.

    `dtype` is what the candidate computes in, and `weights` are those of the checkpoint.
    """

    segment: Segment
    tap: str
    mode: str
    starts: Mapping[str, State]
    forced: Mapping[str, np.ndarray] = field(default_factory=dict)
    dtype: str = "float32"
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """A suspect's values, as its segment was run again with all of them kept.

    `point` says where in the tap's module the first wrong value is (`""`: the tap's own), `right` the taps and modules
    whose values before it were right. `seen`: whether the tap is a module whose inputs were seen, and right. `carried`
    says where along time what a chained segment carries is wrong first.
    """

    tap: Tap
    evidence: Evidence
    point: str
    place: str
    right: tuple[str, ...]
    seen: bool
    leaf: bool
    carried: str = ""


def look(contract: Contract, suspect: Suspect, runners: Mapping[str, Runner]) -> Scene | None:
    """Run the suspect's segment again on all three sides; None where the candidate does not reach the tap."""
    segment = suspect.segment
    tap = next(tap for tap in [*segment.taps, *contract.handed(segment, [suspect.tap])] if tap.name == suspect.tap)
    watched = _modules(tap.path, runners["reference"], segment) & _modules(tap.path, runners["candidate"], segment)
    traces: dict[str, Trace] = {}
    points: dict[str, dict[Key, np.ndarray]] = {}
    for side in (name for name in ("reference", "exact", "rounded", "candidate") if name in runners):
        trace: Trace = {}
        seen: dict[Key, np.ndarray] = {}
        forced = traces["reference"] if suspect.mode == LOCAL and side != "reference" else suspect.forced
        given, see = suspect.starts[side], keep(trace)
        try:
            left = runners[side].run(segment, given, see, forced, watched, _watch(seen))
            for each, array in handed_on(contract, segment, given, left, [suspect.tap, *traces.get("reference", ())]):
                see(each, array)
        except Exception:
            if side != "candidate":
                raise
        traces[side], points[side] = trace, seen
    if tap.name not in traces["candidate"]:
        return None
    scene = _scene(contract, suspect, tap, traces, points)
    return replace(scene, carried=_carried(contract, segment, traces)) if segment.chained else scene


def _carried(contract: Contract, segment: Segment, traces: Mapping[str, Trace]) -> str:
    """From which position in time on what a chained segment hands on is wrong: its cache, say."""
    found = []
    for tap in contract.handed(segment, traces["reference"]):
        roles = [contract.roles.get(axis) for axis in tap.axes.split()]
        if "time" not in roles or tap.name not in traces["candidate"]:
            continue
        ours, theirs, exact = (
            np.moveaxis(traces[side][tap.name], roles.index("time"), 0) for side in ("candidate", "reference", "exact")
        )
        both = min(len(ours), len(theirs))
        if ours.shape[1:] != theirs.shape[1:]:
            continue
        wrong = [_wrong(*(array[place] for array in (ours, theirs, exact))) for place in range(both)]
        first = wrong.index(True) if any(wrong) else both
        if first < len(theirs) or len(ours) != len(theirs):
            axis = tap.axes.split()[roles.index("time")]
            count = f"{len(theirs)}" if len(ours) == len(theirs) else f"{len(ours)}, expected {len(theirs)}"
            found.append(f"{tap.name} is wrong from position {first} of {axis} on (of {count})")
    return "; ".join(found)


def _modules(path: str, runner: Runner, segment: Segment) -> set[str]:
    """The paths of the module at `path` and of those below it."""
    below = f"{path}."
    return {
        n for n in runner.modules(segment) if n == path or (n.startswith(below) and n[len(below) :].count(".") < DEPTH)
    }


def _watch(seen: dict[Key, np.ndarray]) -> Watch:
    calls: Counter[tuple[str, str]] = Counter()

    def watch(path: str, place: str, array: np.ndarray) -> None:
        seen[path, place, calls[path, place]] = array
        calls[path, place] += 1

    return watch


def _scene(
    contract: Contract,
    suspect: Suspect,
    tap: Tap,
    traces: Mapping[str, Trace],
    points: Mapping[str, dict[Key, np.ndarray]],
) -> Scene:
    reference = traces["reference"]
    before = [name for name in reference if name in traces["exact"]]
    before = before[: before.index(tap.name)]
    inputs = {name: reference[name] for name in reversed(before[-INPUTS:])}
    inputs |= {f"the state's {name}": array for name, array in suspect.starts["reference"].items()}
    right: dict[str, np.ndarray] = {}
    leaf = all(path == tap.path for path, _, _ in points["candidate"])
    for key, ours in points["candidate"].items():
        path, place, call = key
        if path == tap.path and place == OUTPUT:
            continue
        theirs, exact, rounded = (points[side].get(key) if side in points else None for side in THEIRS)
        if theirs is None or exact is None or (rounded is None and "rounded" in points):
            continue
        ours = _aligned(contract, tap, ours, theirs)
        name = f"{path} {place}" + (f" (call {call})" if call else "")
        if _wrong(ours, theirs, exact, rounded, suspect.dtype):
            known = dict(reversed(list(right.items())))
            fed = dict(list(known.items())[:INPUTS]) | inputs
            evidence = _evidence(contract, name, tap, ours, theirs, exact, rounded, suspect, fed)
            paths = dict.fromkeys([*before, *(n.partition(" ")[0] for n in right if OUTPUT in n)])
            return Scene(tap, evidence, path, place, tuple(paths), True, leaf)
        if theirs.dtype.kind == "f":
            right[name] = theirs
    inputs = dict(list(reversed(list(right.items())))[:INPUTS]) | inputs
    theirs, exact, rounded = (traces[side][tap.name] if side in traces else None for side in THEIRS)
    assert theirs is not None and exact is not None
    ours = traces["candidate"][tap.name]
    evidence = _evidence(contract, tap.name, tap, ours, theirs, exact, rounded, suspect, inputs)
    return Scene(tap, evidence, "", "", (), bool(right), leaf)


def _aligned(contract: Contract, tap: Tap, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """A value in the candidate's layout, turned as the declared layout that brings it nearest to the reference's."""
    options = [ours]
    for axes in dict.fromkeys([tap.axes, *contract.layouts]):
        have, want = contract.candidate_axes(axes).split(), axes.split()
        if len(want) == ours.ndim and have != want:
            options.append(ours.transpose([have.index(axis) for axis in want]))
    fitting = [option for option in options if option.shape == theirs.shape]
    return min(fitting, key=lambda option: np.nan_to_num(rmse(option, theirs), nan=np.inf)) if fitting else ours


def _wrong(
    ours: np.ndarray, theirs: np.ndarray, exact: np.ndarray, rounded: np.ndarray | None = None, dtype: str = "float32"
) -> bool:
    if ours.shape != theirs.shape:
        return True
    if theirs.dtype.kind != "f" or theirs.size == 0:
        return not np.array_equal(ours, theirs)
    run = theirs if rounded is None else rounded
    return not rmse(ours, theirs) <= WRONG * allowance(theirs.size) * noise_floor(run, exact, dtype)


def _evidence(
    contract: Contract,
    name: str,
    tap: Tap,
    candidate: np.ndarray,
    reference: np.ndarray,
    exact: np.ndarray,
    rounded: np.ndarray | None,
    suspect: Suspect,
    inputs: Mapping[str, np.ndarray],
) -> Evidence:
    axes = tuple(tap.axes.split())
    if len(axes) != reference.ndim:
        axes = tuple(f"axis {i}" for i in range(reference.ndim))
    fed = {known: turned(array, reference.shape) for known, array in inputs.items()}
    return Evidence(
        name,
        candidate,
        reference,
        exact,
        axes,
        fed,
        contract.splits,
        contract.roles,
        rounded,
        suspect.dtype,
        bound=contract.rule(suspect.tap, suspect.mode).ratio32,
        weights=suspect.weights,
    )


def turned(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An input with its axes in the order that fits a shape best: modules within a block keep orders of their own."""
    if array.ndim != len(shape) or array.shape == shape:
        return array
    fit = {
        order: sum(array.shape[i] == n for i, n in zip(order, shape, strict=True))
        for order in permutations(range(array.ndim))
    }
    return array.transpose(max(fit, key=fit.__getitem__))


__all__ = ["INPUT", "OUTPUT", "Scene", "Suspect", "look"]
