"""Which stages a candidate's own floor can do without: no rounding in them reaches what is run after them.

T3 ends in tokens. They are decisions, which a run for an own floor follows, so that the flow starts from the same
tokens whatever T3 computed before them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import groupby

from parity.contract import ACCUMULATED, Contract, Segment
from parity.judge.verdict import Verdict


def spared(
    contract: Contract,
    segments: Iterable[Segment],
    verdicts: Iterable[Verdict],
    carried: Mapping[str, Collection[str]],
    wanted: Collection[str],
) -> dict[str, frozenset[str]]:
    """The stages in which nothing is `wanted` and after which nothing rounded is left, with what each has made.

    `carried` has the entries of the candidate's state behind each segment, by label. Of those that a stage has changed
    or made, each must be judged, and be the float32 reference's value to the last bit: a decision, or a copy.
    """
    of_tap: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.mode == ACCUMULATED:
            of_tap.setdefault(verdict.tap, []).append(verdict)
    found: dict[str, frozenset[str]] = {}
    for stage, group in groupby(segments, key=lambda segment: segment.stage):
        made: dict[str, bool] = {}
        run = list(group)
        for segment in run:
            for entry in contract.state:
                name = segment.handed(entry, "").name
                if contract.unjudged(name) is not None:
                    made[entry] = False
                elif name in of_tap:
                    made[entry] = all(map(_to_the_bit, of_tap[name]))
        left = carried.get(run[-1].label)
        if left is None or any(segment.holds(name) for segment in run for name in wanted):
            continue
        if all(made.get(entry, True) for entry in left):
            found[stage] = frozenset(made).intersection(left)
    return found


def _to_the_bit(verdict: Verdict) -> bool:
    """A decision has no RMSE; a tap that could not be compared has none either, and fails."""
    return verdict.passed and (verdict.rmse != verdict.rmse or verdict.rmse == 0)
