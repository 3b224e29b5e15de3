"""What mutants are judged by: of each segment of a case the reference's state before it, its taps, and noise floors.

The reference runs once, in a process of its own. What it leaves is named by a hash of all that it is made of, so that
another survey of the same finds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from parity.base.files import replacing
from parity.base.metrics import rms
from parity.capture.handed import handed_on
from parity.capture.runner import Runner
from parity.capture.trace import DiskTrace, Trace, keep, require_contract
from parity.contract import Contract, Segment, Tap
from parity.contract.axes import split
from parity.contract.implementation import Case, State, make_side
from parity.judge.floor import noise_floor
from parity.run import proof

Floors = dict[tuple[str, str], float]
"""By tap and branch: RMSE of the reference in float32 over the RMS of the reference in double."""


class Reference:
    """What `store` has left in `folder`."""

    def __init__(self, folder: Path):
        self.arrays = DiskTrace.read_only(folder)
        found = json.loads((folder / "floors.json").read_text())
        self.floors: list[Floors] = [{(tap, branch): floor for tap, branch, floor in rows} for rows in found]

    def start(self, number: int) -> State:
        """The state before a segment, as arrays that nobody can write to."""
        return self._part(f"{number} start ")

    def taps(self, number: int) -> Trace:
        """The taps of a segment, and what it hands on."""
        return self._part(f"{number} taps ")

    def _part(self, prefix: str) -> dict[str, np.ndarray]:
        return {name[len(prefix) :]: self.arrays[name] for name in self.arrays if name.startswith(prefix)}


def key(
    contract: Contract, case: Case, checkpoint: Path, program: Mapping[str, str], apart: Collection[Path] = ()
) -> str:
    """A name of what the reference computes: by its code, its framework, the engine, contract, checkpoint and case."""
    subject = proof.subject(contract, case, checkpoint, program, apart)
    made_of = {name: value for name, value in subject.items() if not name.endswith("candidate")}
    made_of["contract"] = repr(replace(contract, path=Path(), mutate={}))
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def store(contract: Contract, case: Case, checkpoint: Path, folder: Path) -> None:
    """Run the reference on a case, in double and from the same states in float32, and store both in a new `folder`."""
    contract = contract.rules_of(case.name)
    segments = contract.segments(case.dims, case.segments)
    contract.check_decisions(segments)
    sides = {
        dtype: Runner(contract, "reference", make_side(contract, "reference", checkpoint, case, dtype))
        for dtype in ("float64", "float32")
    }
    with replacing(folder) as partial:
        arrays, floors = DiskTrace(partial), list[Floors]()
        state = case.inputs
        for number, segment in enumerate(segments):
            for name, array in state.items():
                arrays[f"{number} start {name}"] = array
            taps, left = _in_double(contract, segment, sides["float64"], state)
            for name, array in taps.items():
                arrays[f"{number} taps {name}"] = array
            floors.append(_floors(contract, segment, sides["float32"], state, taps))
            state = left
            if number + 1 == len(segments) or segments[number + 1].stage != segment.stage:
                for side in sides.values():
                    side.side.release()
        arrays.write_index()
        rows = [[[tap, branch, floor] for (tap, branch), floor in found.items()] for found in floors]
        (partial / "floors.json").write_text(json.dumps(rows))


def decided(contract: Contract, segment: Segment, taps: Trace) -> dict[str, np.ndarray]:
    """The reference's decisions in a segment, which who runs freely follows."""
    return {tap.name: taps[tap.name] for tap in segment.taps if contract.decision(tap)}


def _in_double(contract: Contract, segment: Segment, runner: Runner, start: State) -> tuple[Trace, State]:
    from parity.exact.torch.products import TwoRows

    taps: Trace = {}
    with TwoRows():
        left = runner.run(segment, start, keep(taps))
    require_contract(contract, segment, taps, "the reference in float64")
    # Also what is made again to the same bits: a candidate, which begins with the reference's, rounds otherwise.
    every = [segment.handed(entry, contract.state[entry]).name for entry, array in left.items() if np.size(array)]
    for tap, array in handed_on(contract, segment, start, left, every):
        taps[tap.name] = np.array(array)
    return taps, left


def _floors(contract: Contract, segment: Segment, runner: Runner, start: State, taps: Trace) -> Floors:
    found = Floors()

    def see(tap: Tap, array: np.ndarray) -> None:
        if tap.name not in taps or array.shape != taps[tap.name].shape or array.dtype.kind not in "f":
            return
        exact = taps[tap.name]
        splits = dict(contract.splits)
        for (branch, ours), (_, theirs) in zip(
            split(array, tap.axes, splits), split(exact, tap.axes, splits), strict=True
        ):
            scale = rms(theirs)
            if scale:
                found[tap.name, branch] = noise_floor(ours, theirs) / scale

    left = runner.run(segment, start, see, forced=decided(contract, segment, taps))
    for tap, array in handed_on(contract, segment, start, left, taps):
        see(tap, array)
    return found
