"""What one segment hands to the next, as taps: every entry of the state that it has changed or made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from parity.contract import HANDED, Contract, Segment, Tap
from parity.contract.implementation import State


def completed(contract: Contract, segment: Segment, state: State, reference: Mapping[str, np.ndarray]) -> State:
    """What the candidate goes on with: of what it need not hand on, and does not, the value of the reference.

    `reference` has what the reference hands on, by entry.
    """
    taken = {
        entry: array
        for entry, array in reference.items()
        if entry not in state and contract.unjudged(segment.handed(entry, "").name) is not None
    }
    return {**state, **taken}


def entries(trace: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a trace has of what its segment hands on, by entry of the state."""
    return {name[len(HANDED) :].partition("[")[0]: np.array(trace[name]) for name in trace if name.startswith(HANDED)}


def handed_on(
    contract: Contract, segment: Segment, given: State, left: State, wanted: Collection[str] = ()
) -> Iterator[tuple[Tap, np.ndarray]]:
    """The entries of the state `left` that are not as they were `given`, by name; those `wanted` in any case.

    What is handed on as it was given is not yielded: the segment that made it has answered for it.
    """
    for entry, array in sorted(left.items()):
        tap = segment.handed(entry, contract.state[entry])
        if tap.name in wanted or entry not in given or not np.array_equal(array, given[entry], equal_nan=True):
            yield tap, array
