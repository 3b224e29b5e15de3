"""Counterparts of named values: those that the walk finds, and of tables, few numbers, pieces, rows and parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.match.arrangement import BOUND, Arrangement
from parity.match.parts import Pieces
from parity.match.rows import Held, gathered, reordered
from parity.match.values import Pooled, arranged, distinct, whole
from parity.match.walk import Walk
from parity.match.weights import LEAST, telling

VALUE, PIECES, PIECE = "as a value", "as pieces", "as a piece"
ROWS, REORDERED = "as rows among others", "with the numbers of each row in another order"
PART = "in part"
"""How the candidate holds a value. In part: no more of it than what the reference takes out of it."""

_FAR = 4096
"""So many values before or behind another one are looked at, at most: a loop of many steps may lie between."""


@dataclass(frozen=True)
class Pair:
    """A value of the reference and the candidate's that is the same quantity; numbers are those of the first programs.

    `follows` are the departures that had to be mended before the two were equal. `how` is one of the words above;
    `held` are all values of the candidate that together hold the reference's, the first of them `candidate`.
    """

    reference: int
    candidate: int
    arrangements: tuple[Arrangement, ...]
    error: float
    follows: tuple[int, ...] = ()
    how: str = VALUE
    held: tuple[int, ...] = ()


def paired(walk: Walk, quantity: int, key: int) -> Pair:
    """The pair of a found value."""
    status = walk.status[key]
    ours, theirs = walk.reference.runs.numbers[quantity][0], walk.candidate.numbers[key][0]
    assert ours is not None and theirs is not None
    return Pair(ours, theirs, status.arrangements, status.error, tuple(sorted(status.follows)))


def counterpart(walk: Walk, pieces: Pieces, partner: Mapping[int, int], name: str) -> Pair | None:
    """The counterpart of a named value that the walk does not find. `partner` has the keys of the found quantities.

    Enough numbers are looked for among all values of the candidate: whole, joined or apart. Few numbers and single rows
    are looked for among what the same is made of on both sides, very few only where they are made of the same too.
    """
    runs = walk.reference.runs
    value, key = runs.named(name, walk.reference.values), runs.taps[name]
    lengths = [length for length, array in enumerate(value) if array is not None]
    if whole(value) and telling(value) and (found := next(pieces.index.find(value), None)) is not None:
        return _pair(walk, key, VALUE, found[:1], *found[1:])
    near = _near(walk, partner, key)
    if distinct(value) < LEAST:
        near = {one: mended for one, mended in near.items() if _akin(walk, key, one)}
    for one in near:
        if (there := arranged(walk.values[one], value, BOUND, lengths)) is not None:
            return _pair(walk, key, VALUE, [one], *there)
    if whole(value):
        among = pieces if telling(value) else Pieces({one: walk.values[one] for one in near})
        if joined := among.joined(value):
            return _pair(walk, key, PIECES, [piece.key for piece in joined])
        if (larger := among.inside(value)) is not None:
            return _pair(walk, key, PIECE, [larger.key])
    held = [(one, walk.values[one]) for one, mended in near.items() if not mended]
    if rows := gathered(value, _by_operation(walk, held)):
        return _pair(walk, key, ROWS, rows)
    if (same := reordered(value, held)) is not None:
        return _pair(walk, key, REORDERED, [same])
    return _taken_apart(walk, partner, key)


def _pair(
    walk: Walk,
    key: int,
    how: str,
    keys: Sequence[int],
    arrangements: tuple[Arrangement, ...] = (),
    error: float = 0.0,
) -> Pair | None:
    """The pair of a value that these values of the candidate hold; None where the first length has none of either."""
    ours = walk.reference.runs.numbers[key][0]
    theirs = [number for one in keys if (number := walk.candidate.numbers[one][0]) is not None]
    if ours is None or not theirs:
        return None
    follows = frozenset[int]().union(*(walk.status[one].follows for one in keys))
    return Pair(ours, theirs[0], arrangements, error, tuple(sorted(follows)), how, tuple(theirs))


def _near(walk: Walk, partner: Mapping[int, int], key: int) -> dict[int, frozenset[int]]:
    """Those quantities that the reference next makes of this value, and what the candidate makes them of.

    That goes back to found values. Each comes with the departures that were mended between it and those quantities.
    """
    candidate, near = walk.candidate, dict[int, frozenset[int]]()
    for found in _next_found(walk, partner, key):
        near[found] = frozenset()
        left, seen = [found], set[int]()
        while left and len(seen) < _FAR:
            one = left.pop(0)
            for taken in candidate.steps[candidate.makers[one]].inputs if one in candidate.makers else ():
                if taken in seen:
                    continue
                seen.add(taken)
                if walk.status[taken].quantity is None:
                    left.append(taken)
                mended = walk.status[found].follows - walk.status[taken].follows
                near[taken] = near.get(taken, mended) & mended
    return near


def _next_found(walk: Walk, partner: Mapping[int, int], key: int) -> Iterator[int]:
    """The candidate's values of the first found quantities that the reference makes of this value."""
    runs = walk.reference.runs
    made_by = runs.steps[runs.makers[key]] if key in runs.makers else None
    left = [key, *(made_by.inputs if made_by is not None and made_by.choice is not None else ())]
    seen = set(left)
    while left and len(seen) < _FAR:
        for place in runs.users.get(left.pop(0), ()):
            for made in runs.steps[place].outputs:
                if made in seen:
                    continue
                seen.add(made)
                if (quantity := walk.reference.of.get(made, -1)) in partner:
                    yield partner[quantity]
                else:
                    left.append(made)


def _akin(walk: Walk, key: int, one: int) -> bool:
    """The candidate makes its value of no other found quantities than the reference does, or both of constants."""
    quantity = walk.reference.of.get(key)
    if quantity is None or one not in walk.candidate.dynamic:
        return quantity is None and one not in walk.candidate.dynamic
    return walk.reference.made_from(quantity, walk.status[one].made_of)


def _by_operation(walk: Walk, held: Sequence[Held]) -> list[list[Held]]:
    """The results of one operation of the source together: those of all steps of a loop."""
    groups: dict[tuple[str, str], list[Held]] = {}
    for key, value in held:
        if (place := walk.candidate.makers.get(key)) is not None:
            node = walk.candidate.steps[place].node
            groups.setdefault((node.operation, str(node.place)), []).append((key, value))
    return list(groups.values())


def _taken_apart(walk: Walk, partner: Mapping[int, int], key: int) -> Pair | None:
    """The found quantities that the reference takes out of this value: all of it, or all that is made of it."""
    runs, value = walk.reference.runs, walk.reference.values[key]
    arrays = [array for array in value if array is not None]
    if len(arrays) < len(value):
        return None
    missing, keys, other = [np.ones(array.size, bool) for array in arrays], list[int](), False
    left: list[tuple[int, Pooled]] = [(key, tuple(np.arange(a.size, dtype=float).reshape(a.shape) for a in arrays))]
    while left:
        one, places = left.pop()
        for step in (runs.steps[place] for place in runs.users.get(one, ())):
            if len(step.inputs) > 1:
                other = True
                continue
            try:
                results = step.compute([places], walk.lengths)
            except (ArithmeticError, LookupError, RuntimeError, ValueError):  # it takes no places, as `one_hot` does
                other = True
                continue
            for made, there in zip(step.outputs, results, strict=True):
                taken = _elements(arrays, there, walk.reference.values[made])
                if not taken:
                    other = True
                elif (quantity := walk.reference.of.get(made, -1)) not in partner:
                    left.append((made, there))
                else:
                    keys.append(partner[quantity])
                    for rest, gone in zip(missing, taken, strict=True):
                        rest[gone] = False
    part = any(rest.any() for rest in missing)
    return _pair(walk, key, PART if part else PIECES, keys) if keys and not (part and other) else None


def _elements(arrays: Sequence[np.ndarray], places: Pooled, made: Pooled) -> list[np.ndarray]:
    """Which elements of the arrays are what was made, unchanged, at every length; empty where it is something else."""
    elements = []
    for array, there, result in zip(arrays, places, made, strict=True):
        if there is None or result is None or not np.isin(there, np.arange(array.size)).all():
            return []
        if not np.array_equal(array.ravel()[there.astype(int)], result):
            return []
        elements.append(there.astype(int))
    return elements
