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
from parity.capture.trace_folder import StoredTrace
from parity.contract import ACCUMULATED, LOCAL, Contract, Segment, Tap
from parity.contract.axes import permute
from parity.contract.contract import fits
from parity.contract.implementation import Case, State, make_side
from parity.diagnose.bisect import Found
from parity.diagnose.dumps import bisect_dumps, diagnose_dumps
from parity.judge.arithmetic import settled
from parity.judge.floor import at_least
from parity.judge.segment import UNDECLARED, branches
from parity.judge.snapshots import Gallery
from parity.judge.ties import margins
from parity.judge.verdict import Verdict, absent, judge
from parity.run.not_judged import note
from parity.run.report import Report

Progress = Callable[[str], None]
INPUTS = "inputs"
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
) -> dict[str, Any]:
    """Run one side freely and write its trace to the golden folder `out`, with noise floors if asked for.

    Floors are the RMSE between the side in float32 and in float64, so only a side that runs in float64 has them: of
    the free run, and of blocks that are given this trace's values. With `float64` the traces in float64 are stored,
    too. `inputs/` has what the case gives. All is in the reference's axes.
    Returns what the manifest says of the run. Raises `InputError` when `out` exists and `replace` is not set.
    """
    runner = Runner(contract, side, make_side(contract, side, checkpoint, case, "float32"))
    double = floors or float64
    exact = Runner(contract, side, make_side(contract, side, checkpoint, case, "float64")) if double else None
    probe.require_float32(runner.adapter)
    segments = contract.segments(case.dims, case.segments)
    about = _about(contract, case, checkpoint, side, runner.adapter.environment())
    about["count"] = sum(len(segment.taps) for segment in segments)
    state: State = case.inputs
    exact_state: State = case.inputs
    with writing(out, about, replace) as stored:
        StoredTrace(stored.folder, {}, INPUTS).update(case.inputs)
        kept = {mode: StoredTrace(stored.folder, {}, f"float64-{mode}") for mode in (ACCUMULATED, LOCAL)}
        for segment in segments:
            say(f"{segment.label}: {side}")
            start, trace = state, dict[str, np.ndarray]()
            state = runner.run(segment, start, keep(trace))
            exacts: dict[str, Trace] = {}
            if exact is not None:
                decided = {tap.name: trace[tap.name] for tap in segment.taps if contract.decision(tap)}
                exacts[ACCUMULATED] = {}
                exact_state = exact.run(segment, exact_state, keep(exacts[ACCUMULATED]), forced=decided)
                require_contract(contract, segment, exacts[ACCUMULATED], f"side {side!r} in float64")
                if LOCAL in segment.modes:
                    exacts[LOCAL] = {}
                    exact.run(segment, start, keep(exacts[LOCAL]), forced=trace)
            require_contract(contract, segment, trace, f"side {side!r}")
            known: dict[str, dict[str, dict[str, float]]] = {}
            for tap in segment.taps:
                known[tap.name] = {mode: _floors(contract, tap, trace[tap.name], each) for mode, each in exacts.items()}
                stored.add(
                    tap.name,
                    trace[tap.name],
                    axes=tap.axes,
                    floors=known[tap.name].get(ACCUMULATED, {}),
                    local=known[tap.name].get(LOCAL, {}),
                    margins=_margins(contract, case, tap, trace, known) if exact is not None else [],
                )
                for mode, each in exacts.items():
                    if float64:
                        kept[mode].add(tap.name, each[tap.name])
        if float64:
            about["float64"] = {mode: list(each.entries.values()) for mode, each in kept.items()}
    return {name: value for name, value in about.items() if name != "float64"}


def _floors(contract: Contract, tap: Tap, value: np.ndarray, exact: Trace) -> dict[str, float]:
    parts = branches(contract, tap.axes, value, exact[tap.name])
    return {branch: rmse(ours, double) for branch, ours, double in parts}


def _margins(
    contract: Contract, case: Case, tap: Tap, trace: Trace, floors: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> list[float]:
    """Of a discrete tap, how far each decision was from another one in noise floors, in the order of its elements."""
    decision = contract.decision(tap)
    if decision is None:
        return []
    source = decision.source(tap)
    floor = at_least(max(floors[source][ACCUMULATED].values()), rms(trace[source]))
    return [float(margin) for margin in margins(decision, case, tap, trace[source], floor).ravel()]


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
        "input_axes": {name: contract.state[name] for name in case.inputs},
        "checkpoint": {path.name: file_sha256(path) for path in files},
        "environment": dict(environment) | {"numpy": np.__version__},
    }


def compare(
    contract: Contract,
    golden: Golden,
    folder: Path,
    layout: str = "reference",
    allow_missing: bool = False,
    mode: str = ACCUMULATED,
    only: str = "*",
    stage: str = "",
) -> Report:
    """Judge the dumps in `folder` against a golden folder, by how far it is off in noise floors.

    `folder` is a golden folder of its own, or any folder of NPY files named by tap, whose axes are then in the
    `layout` of the contract's reference or candidate. In the mode `LOCAL` each dump is of a block that was given the
    golden's values. `only` is a pattern of taps, and `stage` a stage, that are judged alone. A golden tap without a
    dump fails, or with `allow_missing` is left out, and the report says how many are. A dump without a golden tap
    fails. What is there stands before what is not. Raises `InputError` for goldens that lack a tap of the contract, or
    have no floors: an error without a scale proves nothing.
    """
    manifest = golden.manifest
    if missing := {"case", "dims", "segments", "environment"} - manifest.keys():
        raise InputError(f"{golden.folder / MANIFEST}: lacks {', '.join(sorted(missing))}; capture it again")
    contract = contract.rules_of(manifest["case"])
    segments = contract.segments(manifest["dims"], manifest["segments"])
    if list(golden) != [tap.name for segment in segments for tap in segment.taps]:
        raise InputError(f"{golden.folder}: its taps are not those of {contract.path}; capture it again")
    segments = [segment for segment in segments if mode in segment.modes]
    taps = {tap.name: tap for segment in segments for tap in segment.taps}
    if not all(_known(golden, name, mode) for name in taps):
        what = "noise floors" if mode == ACCUMULATED else "noise floors of local errors"
        raise InputError(f"{golden.folder}: no {what}; capture it again with `parity capture --floors`")
    dumps = _dumps(contract, golden, folder, layout)
    every = _chosen(segments, only, stage)
    chosen = {name: tap for name, tap in every.items() if contract.unjudged(name) is None}
    present = [name for name in chosen if name in dumps]
    absent_ones = [] if allow_missing else [name for name in chosen if name not in dumps]
    if not present and (allow_missing or not absent_ones):
        raise InputError(f"{folder}: none of its {len(dumps)} dumps has the name of a tap; {_meant(dumps, chosen)}")
    expected = contract.count(chosen[name] for name in (*present, *absent_ones))
    chain, gallery = dict(contract.chain), Gallery()
    labels = [segment.label for segment in segments]
    report = Report(manifest["case"], str(folder), labels, expected, environment=manifest["environment"], chain=chain)
    stages = {tap.name: segment.stage for segment in segments for tap in segment.taps}
    note(report.not_judged, contract, every, [name for name in dumps if name in every and name not in chosen])
    report.program = _said(len(chosen), len(chosen) - len(present), allow_missing)
    for name in present:
        for verdict, ours, theirs in _judged(contract, golden, chosen[name], dumps[name](), mode):
            report.verdicts.append(verdict)
            report.add_place(stages[name], 1)
            gallery.see(verdict, chosen[name].axes, ours, theirs)
    report.pictures = gallery.pictures
    for name in absent_ones:
        report.verdicts.append(absent(name, mode, contract.rule(name, mode), f"{folder} has no {name}.npy"))
        report.add_place(stages[name], 1)
    for name in dumps if len(every) == len(taps) else ():
        if name not in golden:
            report.verdicts.append(absent(name, mode, UNDECLARED, "no golden tap of that name"))
    if first := report.first_failure:
        report.diagnosis = diagnose_dumps(
            contract, first, report.verdicts, taps, golden.load, lambda name: dumps[name]()
        )
    report.verdicts = [settled(verdict, None) for verdict in report.verdicts]
    return report


def _known(golden: Golden, name: str, mode: str) -> dict[str, float]:
    """The noise floors of a tap by branch."""
    floors: dict[str, float] = golden.entries[name].get("floors" if mode == ACCUMULATED else "local", {})
    return floors


def _chosen(segments: list[Segment], only: str, stage: str) -> dict[str, Tap]:
    """The taps of one stage, or of all, that match a pattern. Raises `InputError` where there is none."""
    stages = list(dict.fromkeys(segment.stage for segment in segments))
    if stage and stage not in stages:
        raise InputError(f"no stage {stage!r}; {meant(stage, stages)}")
    taps = {tap.name: tap for segment in segments if stage in ("", segment.stage) for tap in segment.taps}
    chosen = {name: tap for name, tap in taps.items() if fits(name, only)}
    if not chosen:
        raise InputError(f"no tap fits {only!r}; {meant(only, taps)}")
    return chosen


def _said(taps: int, missing: int, allowed: bool) -> str:
    """What the mathematics of dumps is, and how many of the taps there are."""
    text = "dumps are values, with nothing to run"
    if missing and allowed:
        return f"{text}; {missing} of {taps} taps have no dump and were not judged"
    advice = "leave them out with --allow-missing, --only or --stage"
    return f"{text}; {missing} of {taps} taps have no dump and fail: {advice}" if missing else text


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
    taps = {name: tap for name, tap in taps.items() if contract.unjudged(name) is None}

    def judged(name: str) -> Verdict:
        verdicts = [verdict for verdict, _, _ in _judged(contract, golden, taps[name], dumps[name]())]
        return next((verdict for verdict in verdicts if not verdict.passed), verdicts[0])

    return bisect_dumps(list(taps), judged)


def _judged(
    contract: Contract, golden: Golden, tap: Tap, candidate: np.ndarray, mode: str = ACCUMULATED
) -> list[tuple[Verdict, np.ndarray, np.ndarray]]:
    """The verdicts on one dump, a branch each, with the two arrays. Where float64 is stored, they have a ratio64."""
    rule, reference = contract.rule(tap.name, mode), golden.load(tap.name, mmap=True)
    entry, floors = golden.entries[tap.name], _known(golden, tap.name, mode)
    stored = np.reshape(entry["margins"], reference.shape) if contract.decision(tap) else None
    exacts = [exact.load(tap.name, mmap=True)] if (exact := golden.float64(mode)) is not None else []
    found = []
    for branch, ours, theirs, *double in branches(contract, tap.axes, candidate, reference, *exacts):
        exact64 = double[0] if double else None
        found.append(
            (judge(tap.name, branch, mode, rule, ours, theirs, exact64, floors.get(branch, 0.0), stored), ours, theirs)
        )
    return found


def _dumps(contract: Contract, golden: Golden, folder: Path, layout: str) -> dict[str, Callable[[], np.ndarray]]:
    """What loads each dump of a folder, in the reference's axes, by tap."""
    if (folder / MANIFEST).is_file():
        other = Golden(folder)
        there = [name for name, entry in other.entries.items() if (folder / entry["file"]).exists()]
        return {name: (lambda name=name: other.load(name, mmap=True)) for name in there}  # type: ignore[misc]
    named = folder.glob("*.npy") if folder.is_dir() else ()
    files = sorted(file for file in named if not file.name.startswith("."))  # macOS writes ._name.npy beside a file
    if not files:
        raise InputError(f"{folder}: no NPY files there; expected a folder of dumps named by tap, `mu.npy` and so on")

    def load(file: Path) -> np.ndarray:
        array = npy.read(file)
        entry = golden.entries.get(file.stem)
        if layout == "reference" or entry is None or array.ndim != len(entry["axes"].split()):
            return array
        return permute(array, contract.candidate_axes(entry["axes"]), entry["axes"])

    return {file.stem: (lambda file=file: load(file)) for file in files}  # type: ignore[misc]
