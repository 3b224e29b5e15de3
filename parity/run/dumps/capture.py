"""One side's free run, captured to a golden folder; with what a program in another language needs, to a bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import npy
from parity.base.files import file_sha256
from parity.base.metrics import rms, rmse
from parity.capture import probe
from parity.capture.golden import writing
from parity.capture.runner import Runner
from parity.capture.trace import Trace, keep, require_contract
from parity.contract import ACCUMULATED, LOCAL, Contract, Segment, Tap
from parity.contract.implementation import Case, State, make_side
from parity.judge.floor import at_least
from parity.judge.segment import branches
from parity.judge.ties import margins
from parity.run.dumps.bundle import BLOCK, KEYS, Bundle, Plain

Progress = Callable[[str], None]
GENERATOR = 1
"""Version of what a golden folder means; raised when equal inputs no longer give equal goldens."""


def capture(
    contract: Contract,
    case: Case,
    checkpoint: Path,
    side: str,
    out: Path,
    floors: bool = False,
    say: Progress = lambda message: None,
    replace: bool = False,
    float64: bool = False,
    bundle: str = "",
) -> dict[str, Any]:
    """Run one side freely and write its trace to the golden folder `out`, with noise floors if asked for.

    Floors are the RMSE between the side in float32 and in float64, so only a side that runs in float64 has them. They
    are of the free run, of blocks that are given this trace's values, and of blocks with taps inside that run as one.
    With `float64` the traces in float64 are stored, too. `inputs/` has what the case gives. All is in the reference's
    axes, or for a `bundle` in those of the side it names; a bundle has floors, and what a port in any language needs.
    Returns what the manifest says of the run. Raises `InputError` when `out` exists and `replace` is not set.
    """
    runner = Runner(contract, side, make_side(contract, side, checkpoint, case, "float32"))
    double = floors or float64 or bool(bundle)
    exact = Runner(contract, side, make_side(contract, side, checkpoint, case, "float64")) if double else None
    probe.require_float32(runner.adapter)
    segments = contract.segments(case.dims, case.segments)
    about = _about(contract, case, checkpoint, side, runner.adapter.environment())
    about["count"] = sum(len(segment.taps) for segment in segments)
    state: State = case.inputs
    exact_state: State = case.inputs
    with writing(out, about, replace) as stored:
        form = Bundle(contract, stored, bundle) if bundle else Plain(contract, stored)
        form.add_inputs(case.inputs, about)
        for segment in segments:
            say(f"{segment.label}: {side}")
            start, trace = state, dict[str, np.ndarray]()
            state = runner.run(segment, start, keep(trace))
            form.start(segment, start)
            exacts: dict[str, Trace] = {}
            if exact is not None:
                free: Trace = {}
                decided = {tap.name: trace[tap.name] for tap in segment.taps if contract.decision(tap)}
                exact_state = exact.run(segment, exact_state, keep(free), forced=decided)
                require_contract(contract, segment, free, f"side {side!r} in float64")
                exacts = {ACCUMULATED: free} | _given(exact, segment, start, trace, decided)
            require_contract(contract, segment, trace, f"side {side!r}")
            known: dict[str, dict[str, dict[str, float]]] = {}
            for tap in segment.taps:
                there = {mode: each for mode, each in exacts.items() if tap.name in each}
                known[tap.name] = {mode: _floors(contract, tap, trace[tap.name], each) for mode, each in there.items()}
                empty: dict[str, dict[str, float]] = {KEYS[mode]: {} for mode in (ACCUMULATED, LOCAL)}
                form.add(
                    tap,
                    trace[tap.name],
                    margins=_margins(contract, case, tap, trace, known) if exact is not None else None,
                    doubles={mode: each[tap.name] for mode, each in there.items()} if float64 else {},
                    **empty | {KEYS[mode]: found for mode, found in known[tap.name].items()},
                )
        form.finish(about)
    return {name: value for name, value in about.items() if name not in ("float64", "starts")}


def _given(exact: Runner, segment: Segment, start: State, trace: Trace, decided: Trace) -> dict[str, Trace]:
    """Of a segment with local errors, what float64 gives from this trace's values: at each tap, and of whole blocks.

    A block that has taps inside is run as one where nothing is put in the place of those.
    """
    if LOCAL not in segment.modes:
        return {}
    local: Trace = {}
    exact.run(segment, start, keep(local), forced=trace)
    whole: Trace = {}
    inside = {tap.name: [other.name for other in segment.inside(tap)] for tap in segment.taps}
    depths = Counter(name for names in inside.values() for name in names)
    for depth in range(max(depths.values(), default=0)):
        forced = dict(decided) | {name: trace[name] for name in inside if depths[name] <= depth}
        seen = [tap.name for tap in segment.taps if depths[tap.name] == depth and inside[tap.name]]
        exact.run(segment, start, keep(whole, seen), forced=forced)
    return {LOCAL: local, BLOCK: whole}


def _floors(contract: Contract, tap: Tap, value: np.ndarray, exact: Trace) -> dict[str, float]:
    parts = branches(contract, tap.axes, value, exact[tap.name])
    return {branch: rmse(ours, double) for branch, ours, double in parts}


def _margins(
    contract: Contract, case: Case, tap: Tap, trace: Trace, floors: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> np.ndarray | None:
    """Of a discrete tap, how far each decision was from another one in noise floors."""
    decision = contract.decision(tap)
    if decision is None:
        return None
    source = decision.source(tap)
    floor = at_least(max(floors[source][ACCUMULATED].values()), rms(trace[source]))
    return margins(decision, case, tap, trace[source], floor)


def _about(
    contract: Contract, case: Case, checkpoint: Path, side: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    files: Iterable[Path] = sorted(path for path in checkpoint.glob("*") if path.is_file())  # none: the side says so
    return {
        "generator": GENERATOR,
        "case": case.name,
        "side": side,
        "dims": dict(case.dims),
        "segments": list(case.segments),
        "inputs": {name: npy.canonical_sha256(array) for name, array in case.inputs.items()},
        "input_axes": {name: contract.state[name] for name in case.inputs},
        "checkpoint": {path.name: file_sha256(path) for path in files},
        "environment": dict(environment) | {"numpy": np.__version__},
    }
