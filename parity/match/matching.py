"""Two programs compared by their values: what is the same quantity, and every place where they depart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from parity.errors import InputError
from parity.exact.program import Program
from parity.match.arrangement import Arrangement
from parity.match.constants import Unresolved, resolve
from parity.match.departures import Departure, Search
from parity.match.quantities import Quantities
from parity.match.values import Runs
from parity.match.walk import Walk
from parity.match.weights import Anchors

LENGTHS = 3
"""Inputs of distinct lengths that a matching rests on, at least."""


@dataclass(frozen=True)
class Pair:
    """A value of the reference and the candidate's that is the same quantity; numbers are those of the first programs.

    `follows` are the departures that had to be mended before the two were equal.
    """

    reference: int
    candidate: int
    arrangements: tuple[Arrangement, ...]
    error: float
    follows: tuple[int, ...] = ()


@dataclass
class Matching:
    """What `match` found. `taps` has a pair for each named value of the reference that has a counterpart."""

    pairs: list[Pair]
    taps: dict[str, Pair]
    departures: list[Departure]
    unmatched_taps: list[str]
    unresolved: list[Unresolved] = field(default_factory=list)
    equal: bool = False


def match(
    references: Sequence[Program],
    candidates: Sequence[Program],
    reference_inputs: Sequence[Sequence[np.ndarray]],
    candidate_inputs: Sequence[Sequence[np.ndarray]],
    least: int = LENGTHS,
) -> Matching:
    """Match a candidate with a reference, each given as the same program at several lengths.

    Raises `InputError` for fewer than `least` lengths, or programs that take other numbers of inputs at other lengths.
    """
    if not len(references) == len(candidates) >= least:
        raise InputError(f"got {len(references)} and {len(candidates)} programs, expected {least} lengths or more each")
    reference, candidate = Runs(references, reference_inputs), Runs(candidates, candidate_inputs)
    quantities = Quantities(reference)
    values = candidate.static()
    anchors = Anchors(reference, candidate, quantities.values, values)
    constants = resolve(reference, candidate, anchors)
    if constants.exact:
        values = candidate.static(constants.exact)
    walk = Walk(quantities, candidate, anchors, values)
    search = Search(walk)
    walk.pass_through(search.mend)
    return _result(walk, search, constants.unresolved)


def _result(walk: Walk, search: Search, unresolved: list[Unresolved]) -> Matching:
    quantities, candidate = walk.reference, walk.candidate
    partner: dict[int, int] = {}
    pairs = []
    for key in sorted(walk.status):
        status = walk.status[key]
        if status.quantity is None or key not in candidate.dynamic:
            continue
        partner.setdefault(status.quantity, key)
        pairs.append(_pair(walk, status.quantity, key))
    taps, unmatched = {}, []
    for name, key in quantities.runs.taps.items():
        quantity = quantities.of.get(key)
        if quantity is not None and quantity in partner:
            taps[name] = _pair(walk, quantity, partner[quantity])
        else:
            unmatched.append(name)
    equal = not search.departures and all(walk.status[key].settled for key in candidate.outputs)
    return Matching(pairs, taps, search.departures, unmatched, unresolved, equal)


def _pair(walk: Walk, quantity: int, key: int) -> Pair:
    status = walk.status[key]
    ours, theirs = walk.reference.runs.numbers[quantity][0], walk.candidate.numbers[key][0]
    assert ours is not None and theirs is not None
    return Pair(ours, theirs, status.arrangements, status.error, tuple(sorted(status.follows)))
