"""Traces that outlive a run: capture one side to a golden folder, and judge a folder of dumps against one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import npy
from parity.base.errors import InputError
from parity.base.files import file_sha256
from parity.base.metrics import rms, rmse
from parity.base.names import meant
from parity.capture import probe
from parity.capture.golden import MANIFEST, Golden, writing
from parity.capture.runner import Runner
from parity.capture.trace import Trace, keep, require_contract
from parity.contract import ACCUMULATED, Contract, Tap
from parity.contract.axes import permute
from parity.contract.implementation import Case, State, make_side
from parity.diagnose.bisect import Found
from parity.diagnose.dumps import bisect_dumps, diagnose_dumps
from parity.judge.floor import at_least
from parity.judge.segment import UNDECLARED, branches
from parity.judge.snapshots import Gallery
from parity.judge.ties import margins, tied
from parity.judge.verdict import Verdict, absent, judge
from parity.run.report import Report

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
) -> dict[str, Any]:
    """Run one side freely and write its trace to the golden folder `out`, with noise floors if asked for.

    Floors are the RMSE between the side in float32 and in float64, so only a side that runs in float64 has them.
    Returns what the manifest says of the run. Raises `InputError` when `out` exists and `replace` is not set.
    """
    runner = Runner(contract, side, make_side(contract, side, checkpoint, case, "float32"))
    exact = Runner(contract, side, make_side(contract, side, checkpoint, case, "float64")) if floors else None
    probe.require_float32(runner.adapter)
    segments = contract.segments(case.dims, case.segments)
    about = _about(contract, case, checkpoint, side, runner.adapter.environment())
    about["count"] = sum(len(segment.taps) for segment in segments)
    state: State = case.inputs
    exact_state: State = case.inputs
    with writing(out, about, replace) as stored:
        for segment in segments:
            say(f"{side}: {segment.label}")
            trace: Trace = {}
            exact_trace: Trace = {}
            state = runner.run(segment, state, keep(trace))
            if exact is not None:
                decided = {tap.name: trace[tap.name] for tap in segment.taps if contract.decision(tap)}
                exact_state = exact.run(segment, exact_state, keep(exact_trace), forced=decided)
                require_contract(contract, segment, exact_trace, f"side {side!r} in float64")
            require_contract(contract, segment, trace, f"side {side!r}")
            known: dict[str, Mapping[str, float]] = {}
            for tap in segment.taps:
                value = trace[tap.name]
                known[tap.name] = _floors(contract, tap, value, exact_trace.get(tap.name))
                near = _near(contract, case, tap, trace, known) if exact is not None else {}
                stored.add(tap.name, value, axes=tap.axes, floors=known[tap.name], near=near)
    return about


def _floors(contract: Contract, tap: Tap, value: np.ndarray, exact: np.ndarray | None) -> dict[str, float]:
    if exact is None:
        return {}
    return {branch: rmse(ours, double) for branch, ours, double in branches(contract, tap.axes, value, exact)}


def _near(
    contract: Contract, case: Case, tap: Tap, trace: Trace, floors: Mapping[str, Mapping[str, float]]
) -> dict[int, float]:
    """Of a discrete tap, the margins in noise floors of the decisions that may fall either way, by flat position."""
    decision = contract.decision(tap)
    if decision is None:
        return {}
    source = decision.source(tap)
    floor = at_least(max(floors[source].values()), rms(trace[source]))
    flat = margins(decision, case, tap, trace[source], floor).ravel()
    return {int(position): float(flat[position]) for position in np.flatnonzero(tied(flat))}


def _about(
    contract: Contract, case: Case, checkpoint: Path, side: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    files = sorted(path for path in checkpoint.glob("*") if path.is_file())  # none: the side says what it lacks
    return {
        "generator": GENERATOR,
        "case": case.name,
        "side": side,
        "dims": dict(case.dims),
        "segments": list(case.segments),
        "inputs": {name: npy.canonical_sha256(array) for name, array in case.inputs.items()},
        "checkpoint": {path.name: file_sha256(path) for path in files},
        "environment": dict(environment) | {"numpy": np.__version__},
    }


def compare(
    contract: Contract, golden: Golden, folder: Path, layout: str = "reference", allow_missing: bool = False
) -> Report:
    """Judge the dumps in `folder` against a golden folder, by how far it is off in noise floors.

    `folder` is a golden folder of its own, or any folder of NPY files named by tap, whose axes are then in the
    `layout` of the contract's reference or candidate. A golden tap without a dump fails, or with `allow_missing` is
    left out, and the report says how many are. A dump without a golden tap fails. Raises `InputError` for goldens that
    lack a tap of the contract, or have no floors: an error without a scale proves nothing.
    """
    if not all(entry["floors"] for entry in golden.entries.values()):
        raise InputError(f"{golden.folder}: no noise floors; capture it again with `parity capture --floors`")
    manifest = golden.manifest
    if missing := {"case", "dims", "segments", "environment"} - manifest.keys():
        raise InputError(f"{golden.folder / MANIFEST}: lacks {', '.join(sorted(missing))}; capture it again")
    contract = contract.rules_of(manifest["case"])
    segments = contract.segments(manifest["dims"], manifest["segments"])
    if list(golden) != [tap.name for segment in segments for tap in segment.taps]:
        raise InputError(f"{golden.folder}: its taps are not those of {contract.path}; capture it again")
    dumps = _dumps(contract, golden, folder, layout)
    labels = [segment.label for segment in segments]
    taps = {tap.name: tap for segment in segments for tap in segment.taps}
    judged = {name: tap for name, tap in taps.items() if name in dumps or not allow_missing}
    if not judged:
        raise InputError(f"{folder}: none of its {len(dumps)} dumps has the name of a tap; {_meant(dumps, taps)}")
    expected = contract.count(judged.values())
    chain, gallery = dict(contract.chain), Gallery()
    report = Report(manifest["case"], str(folder), labels, expected, environment=manifest["environment"], chain=chain)
    stages = {tap.name: segment.stage for segment in segments for tap in segment.taps}
    report.program = "dumps are values, with nothing to run"
    if left_out := len(taps) - len(judged):
        report.program += f"; {left_out} of {len(taps)} taps have no dump and were not judged"
    for name, tap in judged.items():
        if name not in dumps:
            rule = contract.rule(name, ACCUMULATED)
            report.verdicts.append(absent(name, ACCUMULATED, rule, f"{folder} has no {name}.npy"))
            report.add_place(stages[name], 1)
            continue
        for verdict, ours, theirs in _judged(contract, golden, tap, dumps[name]()):
            report.verdicts.append(verdict)
            report.add_place(stages[name], 1)
            gallery.see(verdict, tap.axes, ours, theirs)
    report.pictures = gallery.pictures
    for name in dumps:
        if name not in golden:
            report.verdicts.append(absent(name, ACCUMULATED, UNDECLARED, "no golden tap of that name"))
    if first := report.first_failure:
        report.diagnosis = diagnose_dumps(
            contract, first, report.verdicts, taps, golden.load, lambda name: dumps[name]()
        )
    return report


def _meant(dumps: Iterable[str], taps: Mapping[str, Tap]) -> str:
    """What the first dump could have been called."""
    first = next(iter(dumps))
    return f"{first}.npy: {meant(first, taps)}"


def bisect(contract: Contract, golden: Golden, folder: Path, layout: str = "reference") -> Found:
    """The first wrong dump of those that are there, by a binary search: only a few of them are read."""
    contract = contract.rules_of(golden.manifest["case"])
    dumps = _dumps(contract, golden, folder, layout)
    segments = contract.segments(golden.manifest["dims"], golden.manifest["segments"])
    taps = {tap.name: tap for segment in segments for tap in segment.taps if tap.name in dumps and tap.name in golden}

    def judged(name: str) -> Verdict:
        verdicts = [verdict for verdict, _, _ in _judged(contract, golden, taps[name], dumps[name]())]
        return next((verdict for verdict in verdicts if not verdict.passed), verdicts[0])

    return bisect_dumps(list(taps), judged)


def _judged(
    contract: Contract, golden: Golden, tap: Tap, candidate: np.ndarray
) -> list[tuple[Verdict, np.ndarray, np.ndarray]]:
    """The verdicts on one dump, a branch each, with the two arrays."""
    rule, reference = contract.rule(tap.name, ACCUMULATED), golden.load(tap.name, mmap=True)
    floors, stored = golden.entries[tap.name]["floors"], None
    if contract.decision(tap):
        stored = np.full(reference.shape, np.inf)
        for position, margin in golden.entries[tap.name]["near"].items():
            stored.flat[int(position)] = margin
    return [
        (judge(tap.name, branch, ACCUMULATED, rule, ours, theirs, None, floors.get(branch, 0.0), stored), ours, theirs)
        for branch, ours, theirs in branches(contract, tap.axes, candidate, reference)
    ]


def _dumps(contract: Contract, golden: Golden, folder: Path, layout: str) -> dict[str, Callable[[], np.ndarray]]:
    """What loads each dump of a folder, in the reference's axes, by tap."""
    if (folder / MANIFEST).is_file():
        other = Golden(folder)
        return {name: (lambda name=name: other.load(name, mmap=True)) for name in other}  # type: ignore[misc]
    files = sorted(folder.glob("*.npy")) if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder}: no NPY files there; expected a folder of dumps named by tap, `mu.npy` and so on")

    def load(file: Path) -> np.ndarray:
        array = npy.read(file)
        entry = golden.entries.get(file.stem)
        if layout == "reference" or entry is None or array.ndim != len(entry["axes"].split()):
            return array
        return permute(array, contract.candidate_axes(entry["axes"]), entry["axes"])

    return {file.stem: (lambda file=file: load(file)) for file in files}  # type: ignore[misc]
