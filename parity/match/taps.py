"""Counterparts of named values: those that the walk finds, and of tables, few numbers, pieces and parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.match.arrangement import Arrangement
from parity.match.parts import Piece, Pieces
from parity.match.values import Pooled, arranged, informative, whole
from parity.match.walk import Walk
from parity.match.weights import telling


@dataclass(frozen=True)
class Pair:
    """A value of the reference and the candidate's that is the same quantity; numbers are those of the first programs.

    `follows` are the departures that had to be mended before the two were equal. `pieces` are the candidate's values
    that the reference's is joined of, or the one that it is a piece of; keys are those of the walk. `partial`: the
    candidate computes no more of it than what the reference takes out of it, the last position's logits for example.
    """

    reference: int
    candidate: int
    arrangements: tuple[Arrangement, ...]
    error: float
    follows: tuple[int, ...] = ()
    pieces: tuple[Piece, ...] = ()
    partial: bool = False


def paired(walk: Walk, quantity: int, key: int) -> Pair:
    """The pair of a found value."""
    status = walk.status[key]
    ours, theirs = walk.reference.runs.numbers[quantity][0], walk.candidate.numbers[key][0]
    assert ours is not None and theirs is not None
    return Pair(ours, theirs, status.arrangements, status.error, tuple(sorted(status.follows)))


def counterpart(walk: Walk, pieces: Pieces, partner: Mapping[int, int], key: int) -> Pair | None:
    """The counterpart of a value that the walk does not find. `partner` has the keys of the found quantities.

    Enough numbers are looked for among all values of the candidate: whole, joined or apart. Few are told by what is
    made of them.
    """
    value, number = walk.reference.values[key], walk.reference.runs.numbers[key][0]
    if number is None or not whole(value):
        return None
    if telling(value) and (found := next(pieces.index.find(value), None)) is not None:
        return _equal(walk, number, *found)
    for one in _taken(walk, partner, key):
        if (there := arranged(walk.values[one], value)) is not None:
            return _equal(walk, number, one, *there)
    if not informative(value):
        return None
    joined = pieces.joined(value)
    larger = pieces.inside(value) if not joined else None
    parts = joined or ((larger,) if larger is not None else ())
    if parts and (first := walk.candidate.numbers[parts[0].key][0]) is not None:
        follows = sorted({one for part in parts for one in walk.status[part.key].follows})
        return Pair(number, first, (), 0.0, tuple(follows), parts)
    return _partial(walk, partner, key)


def _equal(walk: Walk, number: int, key: int, arrangements: tuple[Arrangement, ...], error: float) -> Pair | None:
    first = walk.candidate.numbers[key][0]
    if first is None:
        return None
    return Pair(number, first, arrangements, error, tuple(sorted(walk.status[key].follows)))


def _taken(walk: Walk, partner: Mapping[int, int], key: int) -> Iterator[int]:
    """What the candidate makes those quantities of that the reference makes of this value: some steps back."""
    runs, candidate = walk.reference.runs, walk.candidate
    for place in runs.users.get(key, ()):
        for made in runs.steps[place].outputs:
            left, seen = [partner.get(walk.reference.of.get(made, made), -1)], set[int]()
            while left:
                one = left.pop()
                for taken in candidate.steps[candidate.makers[one]].inputs if one in candidate.makers else ():
                    if taken not in seen:
                        seen.add(taken)
                        yield taken
                        if walk.status[taken].quantity is None:
                            left.append(taken)


def _partial(walk: Walk, partner: Mapping[int, int], key: int) -> Pair | None:
    """The found value that the reference takes out of this one, where all that it does is to take out."""
    runs = walk.reference.runs
    number = runs.numbers[key][0]
    pairs = []
    for place in runs.users.get(key, ()):
        if not runs.layout(place) or not _takes_out(walk, place, walk.reference.values[key]):
            return None
        quantity = walk.reference.of.get(runs.steps[place].outputs[0], -1)
        if quantity not in partner or number is None:
            return None
        one = paired(walk, quantity, partner[quantity])
        pairs.append(Pair(number, one.candidate, (), one.error, one.follows, (), True))
    return pairs[0] if pairs else None


def _takes_out(walk: Walk, place: int, value: Pooled) -> bool:
    """The step gives elements of what it takes, unchanged: it does so with their numbers."""
    numbers = tuple(None if a is None else np.arange(a.size, dtype=np.float64).reshape(a.shape) for a in value)
    for places, made, array in zip(
        walk.reference.runs.steps[place].compute([numbers], walk.lengths)[0],
        walk.reference.values[walk.reference.runs.steps[place].outputs[0]],
        value,
        strict=True,
    ):
        if places is None or made is None or array is None or not np.isin(places, np.arange(array.size)).all():
            return False
        if not np.array_equal(array.ravel()[places.astype(int)], made):
            return False
    return True
