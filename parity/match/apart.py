"""Exchanges where one program runs the entries of a batch apart: for an entry, and for all entries together."""

from __future__ import annotations

from collections.abc import Iterator

from parity.match.arrangement import relative_error
from parity.match.entries import Place
from parity.match.moves import Exchange, Move, options, price, sizes
from parity.match.walk import Walk

Cones = dict[int, frozenset[int]]
"""Of each value of the candidate that is not found, the ones that it is made of."""

Ours = dict[int, tuple[set[int], set[int]]]
"""Of each quantity of the reference, those not found that it is made of, and the found ones before them."""


def apart(walk: Walk, cones: Cones, ours: Ours) -> Iterator[Exchange]:
    """All such exchanges."""
    yield from _entries(walk, cones, ours)
    yield from _joined(walk, cones, ours)


def _entries(walk: Walk, cones: Cones, ours: Ours) -> Iterator[Exchange]:
    """The closest entries of quantities, for values of a batch that the candidate runs apart."""
    known = {k: _known(walk, cone) for k, cone in cones.items()}
    for quantity, (made, border) in ours.items():
        places = list(walk.entries.places(quantity))
        for k, cone in cones.items() if places else ():
            if not border & walk.status[k].made_of:
                continue
            there = [place for place in places if place in known[k]] if len(known[k]) == 1 else places
            moves = [Move("differs", quantity, k, (), frozenset(made), cone, entry=entry) for entry in there]
            fitting = [(_distance(walk, move), move) for move in moves if _fits(walk, move)]
            if fitting:
                _, move = min(fitting, key=lambda one: one[0])
                yield Exchange((move,), price(len(made) + len(cone)))


def _known(walk: Walk, cone: frozenset[int]) -> set[Place]:
    """Which entries the values are that those not found are made of next."""
    taken = {one for key in cone for one in walk.candidate.steps[walk.candidate.makers[key]].inputs} - cone
    return {entry for one in taken if (entry := walk.status[one].entry) is not None}


def _joined(walk: Walk, cones: Cones, ours: Ours) -> Iterator[Exchange]:
    """Quantities that the reference runs apart, as the entries of one value, those of one operation together."""
    sources: dict[tuple[str, str], list[int]] = {}
    for quantity in sorted(ours):
        node = walk.reference.runs.steps[walk.reference.made[quantity]].node
        sources.setdefault((node.operation, str(node.place)), []).append(quantity)
    for k, cone in cones.items():
        made_of, size = walk.status[k].made_of, sizes(walk.values[k])
        for quantities in sources.values():
            chains: dict[frozenset[int], list[int]] = {}
            for quantity in quantities:
                chains.setdefault(made_of & ours[quantity][1], []).append(quantity)
            chains.pop(frozenset(), None)
            for row in zip(*chains.values(), strict=False) if len(chains) > 1 else ():
                if tuple(map(sum, zip(*(sizes(walk.reference.values[one]) for one in row), strict=True))) == size:
                    made = frozenset[int]().union(*(ours[one][0] for one in row))
                    move = Move("differs", row[0], k, (), made, cone, joined=row)
                    yield Exchange((move,), price(len(made) // len(row) + len(cone)))


def _fits(walk: Walk, move: Move) -> bool:
    return sizes(move.truth(walk)) == sizes(walk.values[move.key])


def _distance(walk: Walk, move: Move) -> float:
    """How far the value is from what may be put there, at the first length."""
    value = walk.values[move.key]
    there = move.value(walk, next(options(walk, move), ()), value)
    return float("inf") if value[0] is None or there[0] is None else relative_error(value[0], there[0])
