"""The dumps of a port, judged by a golden folder in noise floors: how far each is off, accumulated and local."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from parity.base.errors import InputError
from parity.base.names import listed
from parity.base.walk import GLANCE
from parity.capture.golden import MANIFEST, Golden
from parity.contract import ACCUMULATED, LOCAL, Contract, Segment
from parity.diagnose.dumps import Known, diagnose_dumps
from parity.judge.arithmetic import settled
from parity.judge.segment import UNDECLARED
from parity.judge.snapshots import Gallery, Picture
from parity.judge.verdict import Verdict, absent
from parity.run.clock import Clock
from parity.run.dumps import given, sources
from parity.run.dumps.bundle import BLOCK
from parity.run.dumps.judging import Judging
from parity.run.dumps.names import Names
from parity.run.dumps.parts import Part
from parity.run.dumps.words import said
from parity.run.not_judged import note
from parity.run.report import Report


def compare(
    contract: Contract,
    golden: Golden,
    path: Path,
    layout: str = "",
    allow_missing: bool = False,
    mode: str = ACCUMULATED,
    only: str = "*",
    stage: str = "",
    names: Path | None = None,
    checkpoint: Path | None = None,
) -> Report:
    """Judge the dumps at `path` against a golden folder, by how far each is off in noise floors.

    `path` is a golden folder of its own, a folder of NPY files named by tap, or one safetensors file. Axes are those of
    the golden folder, or of the side `layout`. `names` is a file that translates what the port calls its values.
    With the reference's `checkpoint` a diagnosis also computes blocks again.
    The folder's values are of a free run, and those in `local/` of blocks that were given the golden's values; in the
    mode `LOCAL` local errors alone are judged, of `local/` or, where that is not there, of all.
    `only` is a pattern of taps, and `stage` a stage, that are judged alone. A golden tap without a dump fails, or with
    `allow_missing` is left out, and the report says how many are. A dump without a golden tap fails. What is there
    stands before what is not. Raises `InputError` for goldens that lack a tap of the contract, or have no floors: an
    error without a scale proves nothing.
    """
    contract, segments = _fitting(contract, golden)
    golden.check_inputs()
    weights = given.weights(golden, checkpoint)
    table = Names(names) if names else None
    dumps = sources.read(path, table)
    _require_other_files(golden, dumps.values())
    if mode == LOCAL:
        dumps = {LOCAL: dumps[LOCAL] or dumps[ACCUMULATED]}
    dumps = {each: dumps[each] for each in (LOCAL, ACCUMULATED) if dumps.get(each)}
    judging, clock = Judging(contract, golden, layout), Clock(lambda text: None)
    own = [dump.trace for there in dumps.values() for dump in [*there.values()][:1] if dump.trace is not None]
    traces = [golden, *golden.doubles.values(), *own]
    checked = sum(trace.seconds for trace in traces)
    labels, environment = [segment.label for segment in segments], golden.manifest["environment"]
    chain = dict(contract.chain)
    report = Report(golden.manifest["case"], str(path), labels, 0, environment=environment, chain=chain)
    stages = {tap.name: segment.stage for segment in segments for tap in segment.taps}
    parts = [Part(judging, segments, each, there, only, stage, allow_missing) for each, there in dumps.items()]
    with clock("comparison"):
        for part in parts:
            _judge(report, part, dumps[part.mode], judging, stages)
    checked = sum(trace.seconds for trace in traces) - checked
    with clock("pictures"):
        report.pictures = _pictures(report, parts, dumps, judging)
    report.seconds = clock.seconds | {"comparison": clock.seconds["comparison"] - checked, "hash check": checked}
    if first := report.first_failure:
        taps = {tap.name: tap for segment in segments for tap in segment.taps}
        of_mode = [verdict for verdict in report.verdicts if verdict.mode == first.mode]
        report.diagnosis = diagnose_dumps(
            contract,
            first,
            of_mode,
            taps,
            lambda name: judging.reference(taps[name]),
            None if _is_reduced(dumps, first) else lambda name: judging.candidate(taps[name], dumps[first.mode][name]),
            _known(judging, first, segments, weights),
        )
    report.program = said(parts, judging.rounded, judging.projected, allow_missing, report.verdicts)
    unread = sources.unread(path)
    notes = [*(table.said() if table else []), *([f"not read: {listed(unread)}"] if unread else [])]
    report.program = "; ".join([report.program, *notes])
    report.verdicts = [settled(verdict, None) for verdict in report.verdicts]
    return report


def _known(judging: Judging, first: Verdict, segments: list[Segment], weights: Mapping[str, np.ndarray]) -> Known:
    segment = next((segment for segment in segments if segment.holds(first.tap)), None)
    if segment is None:
        return Known()
    floor = max(judging.known(first.tap, first.mode).values(), default=0.0)
    return Known(floor, given.given(judging.contract, judging.golden, segment), weights)


def _require_other_files(golden: Golden, dumps: Iterable[sources.Dumps]) -> None:
    """Raises `InputError` where a dump is a file of the bundle, by whatever name or link."""
    folder = str(golden.folder)
    own = {_identity(os.path.join(folder, entry["file"])) for entry in golden.entries.values()}
    for file in [dump.file for there in dumps for dump in there.values() if dump.file]:
        if (found := _identity(file)) is not None and found in own:
            raise InputError(f"{file}: these are the bundle's own values; give the folder of what the port wrote")


def _identity(file: str) -> tuple[int, int] | None:
    """What a file is, whatever its name; None where there is none."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _judge(report: Report, part: Part, dumps: sources.Dumps, judging: Judging, stages: Mapping[str, str]) -> None:
    """Add the verdicts of one mode: on what is there, then on what is not, then on what nobody asked for."""
    contract, mode = judging.contract, part.mode
    report.expected += contract.count([*part.present.values(), *part.missing.values()])
    note(report.not_judged, contract, part.every, part.odd)
    for name, tap in part.present.items():
        verdicts = judging.tap(tap, dumps[name], mode, BLOCK if name in part.blocks else mode)
        report.verdicts += verdicts
        report.add_place(stages[name], len(verdicts))
    for name in part.missing:
        reason = f"{report.checkpoint} has no {sources.LOCALS if mode == LOCAL else ''}{name}{sources.NPY}"
        report.verdicts.append(absent(name, mode, contract.rule(name, mode), reason))
        report.add_place(stages[name], 1)
    for name in part.unknown:
        report.verdicts.append(absent(name, mode, UNDECLARED, "no golden tap of that name"))


def _pictures(report: Report, parts: list[Part], dumps: Mapping[str, sources.Dumps], judging: Judging) -> list[Picture]:
    """The pictures of the worst verdicts: their arrays are read again, so that no others are drawn."""
    gallery = Gallery(most=GLANCE)
    wanted = gallery.wanted(report.verdicts)
    verdicts = {(verdict.tap, verdict.branch, verdict.mode): verdict for verdict in report.verdicts}
    for part in parts:
        names = {tap for tap, _, mode in wanted if mode == part.mode}
        for tap in [tap for tap in part.present.values() if tap.name in names]:
            for branch, (ours, theirs) in judging.arrays(tap, dumps[part.mode][tap.name]).items():
                if (key := (tap.name, branch, part.mode)) in wanted:
                    gallery.see(verdicts[key], tap.axes, ours, theirs)
    return gallery.pictures


def _is_reduced(dumps: Mapping[str, sources.Dumps], verdict: Verdict) -> bool:
    return verdict.tap in dumps[verdict.mode] and dumps[verdict.mode][verdict.tap].record is not None


def _fitting(contract: Contract, golden: Golden) -> tuple[Contract, list[Segment]]:
    """The contract with the rules of the golden's case, and its segments. Raises `InputError` where they do not fit."""
    manifest = golden.manifest
    if missing := {"case", "dims", "segments", "environment"} - manifest.keys():
        raise InputError(f"{golden.folder / MANIFEST}: lacks {', '.join(sorted(missing))}; capture it again")
    contract = contract.rules_of(manifest["case"])
    segments = contract.segments(manifest["dims"], manifest["segments"])
    taps = [tap for segment in segments for tap in segment.taps]
    if list(golden) != [tap.name for tap in taps]:
        raise InputError(f"{golden.folder}: its taps are not those of {contract.path}; capture it again")
    layout = manifest.get("layout", "reference")
    for tap in taps:
        axes = golden.entries[tap.name]["axes"]
        expected = contract.candidate_axes(tap.axes) if layout == "candidate" else tap.axes
        if axes != expected:
            where = f"{golden.folder / MANIFEST}: the axes of {tap.name} are {axes!r}"
            raise InputError(f"{where}, by {contract.path} {expected!r}; export it again, or name its --contract")
    labels = [segment.label for segment in segments]
    if "layout" in manifest and [start["segment"] for start in manifest.get("starts", [])] != labels:
        raise InputError(f"{golden.folder / MANIFEST}: its starts are not those of {contract.path}; export it again")
    return contract, segments
