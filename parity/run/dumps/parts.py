"""Which taps of a golden folder are asked for, which of them were dumped, and which dumps are of no tap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from parity.base.errors import InputError, UnknownNameError
from parity.base.names import listed, meant
from parity.contract import ACCUMULATED, LOCAL, Segment, Tap
from parity.contract.contract import fits
from parity.run.dumps.bundle import BLOCK
from parity.run.dumps.judging import Judging
from parity.run.dumps.sources import Dumps


class Part:
    """The taps of one mode that are asked for: `every` one, and by what is done with each.

    `present` have a dump, and those among them that are `blocks` ran as one, for nothing inside was dumped. `missing`
    lack one and fail, of those that are `lacking`. `odd` dumps are of taps that are not judged, `unknown` of none.
    """

    def __init__(
        self,
        judging: Judging,
        segments: list[Segment],
        mode: str,
        dumps: Dumps,
        only: str,
        stage: str,
        allow_missing: bool,
    ):
        segments = [segment for segment in segments if mode in segment.modes]
        contract, golden = judging.contract, judging.golden
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
                inside = {other.name for other in segment.inside(tap)}
                if tap.name in self.present and judging.known(tap.name, BLOCK) and not inside & dumps.keys():
                    self.blocks.add(tap.name)
                    covered |= inside
        lacking = {name: tap for name, tap in chosen.items() if name not in dumps and name not in covered}
        self.missing = {} if allow_missing else lacking
        if not self.present and (allow_missing or not lacking):
            known = [name for name in dumps if name in golden]
            names = f"none of its {len(dumps)} dumps has the name of a tap"
            if known:
                asked = " and ".join(
                    word for word, given in ((f"--only {only!r}", only != "*"), (f"--stage {stage}", stage)) if given
                )
                names = f"none of its {len(dumps)} dumps is of {asked or 'a tap that is judged'}"
                raise UnknownNameError(f"{next(iter(dumps.values())).where}: {names}; there are {listed(known)}")
            raise UnknownNameError(f"{next(iter(dumps.values())).where}: {names}; {_meant(dumps, chosen)}")
        whole = len(self.every) == sum(len(segment.taps) for segment in segments)
        self.unknown = [name for name in dumps if whole and name not in golden]
        self.mode, self.taps, self.lacking = mode, len(chosen), len(lacking)


def _chosen(segments: list[Segment], only: str, stage: str) -> dict[str, Tap]:
    """The taps of one stage, or of all, that match a pattern. Raises `InputError` where there is none."""
    stages = list(dict.fromkeys(segment.stage for segment in segments))
    if stage and stage not in stages:
        raise UnknownNameError(f"no stage {stage!r}; {meant(stage, stages)}")
    taps = {tap.name: tap for segment in segments if stage in ("", segment.stage) for tap in segment.taps}
    chosen = {name: tap for name, tap in taps.items() if fits(name, only)}
    if not chosen:
        raise UnknownNameError(f"no tap fits {only!r}; {meant(only, taps)}")
    return chosen


def _meant(dumps: Iterable[str], taps: Mapping[str, Tap]) -> str:
    """What the first dump could have been called."""
    first = next(iter(dumps))
    return f"{first}.npy: {meant(first, taps)}"
