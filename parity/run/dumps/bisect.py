"""The first wrong dump of those that are there, by a binary search."""

from __future__ import annotations

from pathlib import Path

from parity.capture.golden import Golden
from parity.contract import ACCUMULATED, Contract
from parity.diagnose.bisect import Found
from parity.diagnose.dumps import bisect_dumps
from parity.judge.verdict import Verdict
from parity.run.dumps import sources
from parity.run.dumps.judging import Judging


def bisect(contract: Contract, golden: Golden, folder: Path, layout: str = "") -> Found:
    """The first wrong dump of those that are there, by a binary search: only a few of them are read."""
    judging = Judging(contract.rules_of(golden.manifest["case"]), golden, layout)
    dumps = sources.read(folder)[ACCUMULATED]
    segments = contract.segments(golden.manifest["dims"], golden.manifest["segments"])
    taps = {tap.name: tap for segment in segments for tap in segment.taps if tap.name in dumps and tap.name in golden}
    taps = {name: tap for name, tap in taps.items() if contract.unjudged(name) is None}

    def judged(name: str) -> Verdict:
        verdicts = judging.tap(taps[name], dumps[name])
        return next((verdict for verdict in verdicts if not verdict.passed), verdicts[0])

    return bisect_dumps(list(taps), judged)
