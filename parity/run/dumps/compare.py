"""The dumps of a port, judged by a golden folder in noise floors: how far each is off, accumulated and local."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from parity.base.errors import InputError
from parity.base.names import meant
from parity.base.walk import GLANCE
from parity.capture.golden import MANIFEST, Golden
from parity.contract import ACCUMULATED, LOCAL, Contract, Segment, Tap
from parity.contract.contract import fits
from parity.diagnose.dumps import diagnose_dumps
from parity.judge.arithmetic import settled
from parity.judge.segment import UNDECLARED
from parity.judge.snapshots import Gallery
from parity.judge.verdict import Verdict, absent
from parity.run.clock import Clock
from parity.run.dumps import sources
from parity.run.dumps.bundle import BLOCK
from parity.run.dumps.judging import Judging
from parity.run.dumps.names import Names
from parity.run.dumps.words import Partial, said
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
) -> Report:
    """Judge the dumps at `path` against a golden folder, by how far each is off in noise floors.

    `path` is a golden folder of its own, a folder of NPY files named by tap, or one safetensors file. Axes are those of
    the golden folder, or of the side `layout`. `names` is a file that translates what the port calls its values.
    The folder's values are of a free run, and those in `local/` of blocks that were given the golden's values; in the
    mode `LOCAL` local errors alone are judged, of `local/` or, where that is not there, of all.
    `only` is a pattern of taps, and `stage` a stage, that are judged alone. A golden tap without a dump fails, or with
    `allow_missing` is left out, and the report says how many are. A dump without a golden tap fails. What is there
    stands before what is not. Raises `InputError` for goldens that lack a tap of the contract, or have no floors: an
    error without a scale proves nothing.
    """
    contract, segments = _fitting(contract, golden)
    dumps = sources.read(path, Names(names) if names else None)
    if mode == LOCAL:
        dumps = {LOCAL: dumps[LOCAL] or dumps[ACCUMULATED]}
    dumps = {each: dumps[each] for each in (LOCAL, ACCUMULATED) if dumps.get(each)}
    judging, clock, gallery = Judging(contract, golden, layout), Clock(lambda text: None), Gallery(most=GLANCE)
    own = [dump.trace for there in dumps.values() for dump in [*there.values()][:1] if dump.trace is not None]
    traces = [golden, *golden.doubles.values(), *own]
    checked = sum(trace.seconds for trace in traces)
    labels, environment = [segment.label for segment in segments], golden.manifest["environment"]
    chain = dict(contract.chain)
    report = Report(golden.manifest["case"], str(path), labels, 0, environment=environment, chain=chain)
    stages = {tap.name: segment.stage for segment in segments for tap in segment.taps}
    partials = []
    for each, there in dumps.items():
        partial = _Part(contract, golden, segments, each, there, only, stage, allow_missing)
        partials.append(partial.partial)
        report.expected += contract.count([*partial.present.values(), *partial.missing.values()])
        note(report.not_judged, contract, partial.every, partial.odd)
        with clock("comparison"):
            for name, tap in partial.present.items():
                kind = BLOCK if name in partial.blocks else each
                for verdict, ours, theirs in judging.tap(tap, there[name], each, kind):
                    report.verdicts.append(verdict)
                    report.add_place(stages[name], 1)
                    gallery.see(verdict, tap.axes, ours, theirs)
        for name in partial.missing:
            reason = f"{path} has no {sources.LOCALS if each == LOCAL else ''}{name}{sources.NPY}"
            report.verdicts.append(absent(name, each, contract.rule(name, each), reason))
            report.add_place(stages[name], 1)
        for name in partial.unknown:
            report.verdicts.append(absent(name, each, UNDECLARED, "no golden tap of that name"))
    report.pictures = gallery.pictures
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
        )
    checked = sum(trace.seconds for trace in traces) - checked
    report.seconds = {"comparison": clock.seconds["comparison"] - checked, "hash check": checked}
    report.program = said(partials, judging.rounded, judging.projected, allow_missing)
    report.verdicts = [settled(verdict, None) for verdict in report.verdicts]
    return report


def _is_reduced(dumps: Mapping[str, sources.Dumps], verdict: Verdict) -> bool:
    return verdict.tap in dumps[verdict.mode] and dumps[verdict.mode][verdict.tap].record is not None


def _fitting(contract: Contract, golden: Golden) -> tuple[Contract, list[Segment]]:
    """The contract with the rules of the golden's case, and its segments. Raises `InputError` where they do not fit."""
    manifest = golden.manifest
    if missing := {"case", "dims", "segments", "environment"} - manifest.keys():
        raise InputError(f"{golden.folder / MANIFEST}: lacks {', '.join(sorted(missing))}; capture it again")
    contract = contract.rules_of(manifest["case"])
    segments = contract.segments(manifest["dims"], manifest["segments"])
    if list(golden) != [tap.name for segment in segments for tap in segment.taps]:
        raise InputError(f"{golden.folder}: its taps are not those of {contract.path}; capture it again")
    return contract, segments


class _Part:
    """The taps of one mode: those that have a dump, those that lack one, and blocks of which no inside was dumped."""

    def __init__(
        self,
        contract: Contract,
        golden: Golden,
        segments: list[Segment],
        mode: str,
        dumps: sources.Dumps,
        only: str,
        stage: str,
        allow_missing: bool,
    ):
        segments = [segment for segment in segments if mode in segment.modes]
        judging = Judging(contract, golden)
        if not all(judging.known(tap.name, mode) for segment in segments for tap in segment.taps):
            what = "noise floors" if mode == ACCUMULATED else "noise floors of local errors"
            raise InputError(f"{golden.folder}: no {what}; capture it again with `parity capture --floors`")
        self.every = _chosen(segments, only, stage)
        chosen = {name: tap for name, tap in self.every.items() if contract.unjudged(name) is None}
        self.odd = [name for name in dumps if name in self.every and name not in chosen]
        self.present = {name: tap for name, tap in chosen.items() if name in dumps}
        self.blocks: set[str] = set()
        covered: set[str] = set()
        for segment in segments if mode == LOCAL else ():
            for tap in segment.taps:
                inside = {other.name for other in segment.taps if other.path.startswith(f"{tap.path}.")}
                if tap.name in self.present and judging.known(tap.name, BLOCK) and not inside & dumps.keys():
                    self.blocks.add(tap.name)
                    covered |= inside
        lacking = {name: tap for name, tap in chosen.items() if name not in dumps and name not in covered}
        self.missing = {} if allow_missing else lacking
        if not self.present and (allow_missing or not lacking):
            names = f"none of its {len(dumps)} dumps has the name of a tap"
            raise InputError(f"{next(iter(dumps.values())).where}: {names}; {_meant(dumps, chosen)}")
        whole = len(self.every) == sum(len(segment.taps) for segment in segments)
        self.unknown = [name for name in dumps if whole and name not in golden]
        self.partial = Partial(mode, len(chosen), len(lacking), len(self.blocks))


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


def _meant(dumps: Iterable[str], taps: Mapping[str, Tap]) -> str:
    """What the first dump could have been called."""
    first = next(iter(dumps))
    return f"{first}.npy: {meant(first, taps)}"
