"""What the report says of dumps as a whole: how many there are, and what their storage took away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from parity.contract import LOCAL
from parity.judge.floor import MANTISSA
from parity.judge.reduced import seen
from parity.judge.verdict import Verdict
from parity.run.dumps.parts import Part

MANY = 10
"""Dumps of floats that are not all equal by chance: a gather or a copy is exact in every framework."""


def said(
    judged: Iterable[Part],
    rounded: Mapping[str, int],
    projected: Collection[int],
    allowed: bool,
    verdicts: Collection[Verdict],
) -> str:
    """What the mathematics of dumps is, how many of the taps there are, and how they are stored."""
    parts = ["dumps are values, with nothing to run"]
    for part in judged:
        taps = f"{part.taps} taps" if part.mode != LOCAL else f"{part.taps} taps with local errors"
        if part.lacking and allowed:
            parts.append(f"{part.lacking} of {taps} have no dump and were not judged")
        elif part.lacking:
            advice = "leave them out with --allow-missing, --only or --stage"
            parts.append(f"{part.lacking} of {taps} have no dump and fail: {advice}")
        if part.blocks:
            parts.append(f"{len(part.blocks)} blocks ran as one and are judged by the floors of whole blocks")
    for dtype, count in rounded.items():
        lost = f"rounding by up to 2^-{MANTISSA[dtype] + 1} of a value is part of their floors"
        parts.append(f"{count} dumps are stored in {dtype}: {lost}, and no smaller error is seen")
    if projected:
        surely = (
            f"an error of {seen(min(projected)):.2g} bounds or more is missed once in 100 000 times; no slice is judged"
        )
        parts.append(f"{len(projected)} dumps are reduced and judged as far as their projections go: {surely}")
    floats = [verdict for verdict in verdicts if verdict.rmse == verdict.rmse]
    equal = {(verdict.mode, verdict.tap) for verdict in floats}
    if len(equal) >= MANY and not any(verdict.rmse for verdict in floats):
        rare = "of floats computed elsewhere that is rare; are they the bundle's own?"
        parts.append(f"{len(equal)} of {len(equal)} dumps of floats equal the bundle bit for bit: {rare}")
    return "; ".join(parts)
