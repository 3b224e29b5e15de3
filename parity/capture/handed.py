"""What one segment hands to the next, as taps: every entry of the state that it has changed or made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from parity.contract import HANDED, Contract, Segment, Tap
from parity.contract.implementation import State


def completed(contract: Contract, segment: Segment, state: State, reference: Mapping[str, np.ndarray]) -> State:
    """What the candidate goes on with: of what it need not hand on, and does not, the value of the reference.

    `reference` has what the reference hands on, by entry.
    """
    taken = {
        entry: np.array(array)
        for entry, array in reference.items()
        if entry not in state and contract.unjudged(segment.handed(entry, "").name) is not None
    }
    return {**state, **taken}


def entries(trace: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a trace has of what its segment hands on, by entry of the state: the trace's own arrays."""
    return {entry: trace[name] for entry, name in _names(trace).items()}


def _names(trace: Iterable[str]) -> dict[str, str]:
    return {name[len(HANDED) :].partition("[")[0]: name for name in trace if name.startswith(HANDED)}


class Stored(Mapping[str, np.ndarray]):
    """A state whose arrays lie in traces: `places` has the trace of each entry, and the entry's name there."""

    def __init__(self, places: Mapping[str, tuple[Mapping[str, np.ndarray], str]]):
        self.places = places

    def behind(self, trace: Mapping[str, np.ndarray], left: State) -> Stored:
        """The state `left` by a segment: what its `trace` hands on, and else what was there before."""
        handed = {entry: (trace, name) for entry, name in _names(trace).items()}
        return Stored({entry: handed.get(entry) or self.places[entry] for entry in left})

    def __getitem__(self, entry: str) -> np.ndarray:
        trace, name = self.places[entry]
        return trace[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


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
