"""What the report says of dumps as a whole: how many there are, and what their storage took away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from parity.contract import LOCAL
from parity.judge.floor import MANTISSA
from parity.judge.reduced import seen


@dataclass(frozen=True)
class Partial:
    """Of one mode: how many taps are asked for, how many have no dump, and how many blocks ran as one."""

    mode: str
    taps: int
    missing: int
    blocks: int


def said(partials: Iterable[Partial], rounded: Mapping[str, int], projected: Collection[int], allowed: bool) -> str:
    """What the mathematics of dumps is, how many of the taps there are, and how they are stored."""
    parts = ["dumps are values, with nothing to run"]
    for partial in partials:
        taps = f"{partial.taps} taps" if partial.mode != LOCAL else f"{partial.taps} taps with local errors"
        if partial.missing and allowed:
            parts.append(f"{partial.missing} of {taps} have no dump and were not judged")
        elif partial.missing:
            advice = "leave them out with --allow-missing, --only or --stage"
            parts.append(f"{partial.missing} of {taps} have no dump and fail: {advice}")
        if partial.blocks:
            parts.append(f"{partial.blocks} blocks ran as one and are judged by the floors of whole blocks")
    for dtype, count in rounded.items():
        lost = f"rounding by up to 2^-{MANTISSA[dtype] + 1} of a value is part of their floors"
        parts.append(f"{count} dumps are stored in {dtype}: {lost}, and no smaller error is seen")
    if projected:
        surely = f"an error of {seen(min(projected)):.2g} bounds or more is missed once in 100 000 times"
        parts.append(f"{len(projected)} dumps are reduced and judged as far as their projections go: {surely}")
    return "; ".join(parts)
