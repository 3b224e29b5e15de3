"""Where a value of the candidate that is right in itself comes from, through steps that only lay it out anew."""

from __future__ import annotations

from parity.match.entries import Place
from parity.match.walk import Walk


def identity(walk: Walk, key: int) -> tuple[int, Place | None] | None:
    """What a value that is right in itself is: a quantity, or an entry of one."""
    status = walk.status[key]
    if status.quantity is not None:
        return status.quantity, None
    return None if status.entry is None else (min(status.made_of), status.entry)


def origin(walk: Walk, key: int) -> int:
    """Of a value that is right in itself, the first one on the way to it that is the same."""
    same = identity(walk, key)
    while same is not None and key in walk.candidate.makers:
        taken = walk.candidate.steps[walk.candidate.makers[key]].inputs
        before = [one for one in taken if one in walk.candidate.dynamic and identity(walk, one) == same]
        if not before:
            break
        key = before[0]
    return key


def laid_out_at(walk: Walk, key: int) -> int:
    """The value before this one whose axes came into the order in which this one has them."""
    while key in walk.candidate.makers:
        step = walk.candidate.steps[walk.candidate.makers[key]]
        taken = [one for one in step.inputs if one in walk.candidate.dynamic]
        if len(taken) != 1 or walk.status[taken[0]].arrangements != walk.status[key].arrangements:
            break
        key = taken[0]
    return key
