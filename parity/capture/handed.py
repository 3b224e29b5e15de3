"""What one segment hands to the next, as taps: every entry of the state that it has changed or made."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from parity.contract import Contract, Segment, Tap
from parity.contract.implementation import State


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
