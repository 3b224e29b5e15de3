"""What could explain a value that is not found: quantities of the reference put in place of values, cheapest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations, islice, product

from parity.match.apart import apart
from parity.match.moves import Exchange, Move, bonus, mark, price, sizes
from parity.match.origins import identity, origin
from parity.match.values import Pooled, arranged
from parity.match.walk import Edge, Walk

LAST = 100.0
"""Cost of an exchange that shows nothing: of the value itself whose faults are searched."""

_MOST = 200
"""Quantities of the reference that are looked at, those next behind the found ones."""

_ALIKE = 9.0
"""Cost of other axes for a value that lies as the reference's does: few operations that differ are likelier."""

_PAIRS = 100
"""Pairs of values that are exchanged for each other, at most."""

_CHAIN = 3
"""Steps of one input that are followed back from an operation where two faults meet."""


def exchanges(walk: Walk, key: int, habits: set[tuple[object, ...]]) -> list[Exchange]:
    """All that could explain why this value is not found, those of the fewest operations first.

    `habits` are marks of exchanges that were right before: exchanges of the same operations come before all others.
    """
    quantities = walk.reference
    cones = candidate_cones(walk, key)
    inside: set[int] = set()
    edge: set[int] = set()
    held = walk.held(key)
    wanted = targets(walk, key)
    for target in wanted:
        new, border = quantities.cone(target, held)
        inside |= new
        edge |= border
    inside = set(sorted(inside)[:_MOST])
    uses = _uses(walk, cones)
    edge |= {quantity for k in uses if (quantity := walk.status[k].quantity) is not None}
    edge -= quantities.neutral
    ours = {quantity: quantities.cone(quantity, held) for quantity in inside}
    by_size: dict[tuple[int, ...], list[int]] = {}
    for quantity in inside | edge:
        by_size.setdefault(sizes(quantities.values[quantity]), []).append(quantity)
    origins = _origins(walk, inside, edge)
    rows: list[Exchange] = []
    single: dict[tuple[int, int], Exchange] = {}
    for k, cone in cones.items():
        last = LAST if k == key and key not in walk.candidate.outputs else 0.0
        made_of = walk.status[k].made_of
        for quantity in by_size.get(sizes(walk.values[k]), ()):
            if quantity in ours:
                made, border = ours[quantity]
                if not made_of or quantities.grounds(border, walk.seen) & made_of:
                    move = Move("differs", quantity, k, (), frozenset(made), cone)
                    cost = price(len(made) + len(cone)) + last - bonus(walk, move)
                    single[quantity, k] = Exchange((move,), cost)
            elif quantity in origins and made_of & set(quantities.parts.get(quantity, ())):
                origin = origins[quantity]
                move = Move("differs", quantity, k, (), frozenset({quantity}), cone, origin)
                rows.append(Exchange((move,), price(1 + len(cone)) + last))
            if quantity in made_of and walk.complete(quantity) and (k != key or quantity in wanted):
                move = Move("extra", quantity, k, (), frozenset(), cone)
                rows.append(Exchange((move,), price(len(cone)) + 1 + last))
    rows.extend(single.values())
    for k, edges in uses.items():
        own = walk.status[k].quantity
        choices = [tuple(edges)] + ([(one,) for one in edges] if len(edges) > 1 else [])
        for quantity in by_size.get(sizes(walk.values[k]), ()):
            made, border = ours.get(quantity, (set(), set()))
            if made and own not in border:
                continue
            kind = "missing" if made else "order" if quantity == own else "operand"
            for choice in choices:
                cost = price(len(made)) + 1 if made else _ALIKE if kind == "order" and _as_there(walk, k) else 2.5
                cost += 0.5 * (len(choice) < len(edges))
                rows.append(Exchange((Move(kind, quantity, k, choice, frozenset(made)),), cost))
    rows.extend(_joint(walk, cones, inside, single))
    rows.extend(islice(_exchanged(walk, cones), _PAIRS))
    rows.extend(_static(walk, cones, inside))
    rows.extend(_few(walk, cones, inside))
    if held is not walk.seen:
        rows.extend(apart(walk, cones, ours))
    known = {row: all(_habit(walk, move, habits) for move in row.moves) for row in rows} if habits else {}
    order = sorted(rows, key=lambda row: (not known.get(row), row.cost, row.moves[0].quantity, row.moves[0].key))
    return [replace(row, known=True) if known.get(row) else row for row in order]


def candidate_cones(walk: Walk, key: int) -> dict[int, frozenset[int]]:
    """Of every value before `key` that is not found, itself and the ones not found that it is made of."""
    cones: dict[int, frozenset[int]] = {}
    left = [key]
    while left:
        one = left[-1]
        inner = unsettled(walk, walk.candidate.makers[one])
        waiting = [taken for taken in inner if taken not in cones]
        if waiting:
            left.extend(waiting)
            continue
        left.pop()
        cones[one] = frozenset({one}).union(*(cones[taken] for taken in inner))
    return cones


def unsettled(walk: Walk, place: int) -> list[int]:
    """Inputs of a step that are not found and not exchanged."""
    return [
        taken
        for position, taken in enumerate(walk.candidate.steps[place].inputs)
        if not walk.status[taken].settled and (place, position) not in walk.edges
    ]


def targets(walk: Walk, key: int) -> list[int]:
    """The reference's quantities that this value, or one soon after it, should be: by outputs, else by weights."""
    outputs = [walk.reference.of[one] for one in walk.reference.runs.outputs if one in walk.reference.of]
    if key in walk.candidate.outputs:
        position = walk.candidate.outputs.index(key)
        if len(outputs) == len(walk.candidate.outputs):
            return [outputs[position]]
        return [one for one in outputs if one not in walk.seen]
    step = walk.candidate.steps[walk.candidate.makers[key]]
    entries = len(walk.status[key].made_of - walk.seen.keys()) or 1
    found: list[int] = []
    for taken in step.inputs:
        for weight in walk.anchors.same.get(taken, ()):
            found.extend([q for q in walk.takers.get(weight, ()) if q not in walk.seen][:entries])
    found = [q for q in found if walk.status[key].made_of & walk.reference.cone(q, walk.held(key))[1]]
    return sorted(found)[-entries:] if found else outputs


def _habit(walk: Walk, move: Move, habits: set[tuple[object, ...]]) -> bool:
    """The same operations were exchanged before. What is missing says little about what else is there."""
    return move.kind in ("differs", "extra", "operand") and not move.static(walk) and mark(walk, move) in habits


def _uses(walk: Walk, cones: dict[int, frozenset[int]]) -> dict[int, list[Edge]]:
    """Where found values are taken by operations whose results are not found."""
    uses: dict[int, list[Edge]] = {}
    for place in sorted({walk.candidate.makers[k] for k in cones}):
        for position, taken in enumerate(walk.candidate.steps[place].inputs):
            if (place, position) not in walk.edges and walk.status[taken].quantity is not None:
                uses.setdefault(taken, []).append((place, position))
    return uses


def _origins(walk: Walk, inside: set[int], edge: set[int]) -> dict[int, int]:
    """Of quantities that were found elsewhere, the value that the operations which are not found take."""
    runs, of = walk.reference.runs, walk.reference.of
    origins: dict[int, int] = {}
    for quantity in inside:
        for taken in runs.steps[walk.reference.made[quantity]].inputs:
            if of.get(taken) in edge and taken in runs.makers:
                origins.setdefault(of[taken], taken)
    return origins


def _as_there(walk: Walk, key: int) -> bool:
    """The value lies as the reference's does: what takes it may do so along another axis."""
    status = walk.status[key]
    if status.quantity is None or not all(arrangement.plain for arrangement in status.arrangements):
        return False
    return [a.shape for a in walk.values[key] if a is not None] == [
        a.shape for a in walk.reference.values[status.quantity] if a is not None
    ]


def _exchanged(walk: Walk, cones: dict[int, frozenset[int]]) -> Iterator[Exchange]:
    """Two parts of one value, each taken where the reference takes the other."""
    uses: dict[int, list[Edge]] = {}
    for place in sorted({walk.candidate.makers[k] for k in cones}):
        for position, taken in enumerate(walk.candidate.steps[place].inputs):
            if (place, position) not in walk.edges and identity(walk, taken) is not None:
                uses.setdefault(taken, []).append((place, position))
    whole: dict[tuple[int, ...], list[int]] = {}
    for taken in uses:
        if (maker := walk.candidate.makers.get(origin(walk, taken))) is not None:
            whole.setdefault((*walk.candidate.steps[maker].inputs, *sizes(walk.values[taken])), []).append(taken)
    for keys in (pair for parts in whole.values() for pair in combinations(parts, 2)):
        one, other = (identity(walk, key) for key in keys)
        if one is not None and other is not None and one != other:
            moves = [
                Move("operand", quantity, key, tuple(uses[key]), entry=entry)
                for key, (quantity, entry) in zip(keys, (other, one), strict=True)
            ]
            yield Exchange(tuple(moves), 5.0)


def _static(walk: Walk, cones: dict[int, frozenset[int]], inside: set[int]) -> Iterator[Exchange]:
    """Tables and masks that differ, and what is made of them alone, before all else: the earliest first."""
    places = {walk.candidate.makers[k] for k in cones}
    theirs = sorted({*places, *_idle(walk, places)})
    ours = sorted({walk.reference.made[quantity] for quantity in inside})
    pairs = (*walk.statics.pairs(walk.values, theirs, ours), *walk.statics.masks(walk.values, theirs, ours))
    for rank, (quantity, key, made, cone) in enumerate(pairs):
        yield Exchange((Move("differs" if made else "extra", quantity, key, (), made, cone),), 1 + rank / 100)
    for rank, (weight, key, taken, cone) in enumerate(walk.statics.extra(walk.values, theirs, walk.anchors.same)):
        move = Move("extra", weight, key, (), frozenset(), cone, taken=taken)
        yield Exchange((move,), 1 + (len(pairs) + rank) / 100)


def _idle(walk: Walk, places: Iterable[int]) -> Iterator[int]:
    """Steps by which the found values are made that these take, back to others: a mask may have no effect in them."""
    left = [
        key for place in places for key in walk.candidate.steps[place].inputs if walk.status[key].quantity is not None
    ]
    seen: set[int] = set()
    while left:
        key = left.pop()
        if key in seen or key not in walk.candidate.makers or key not in walk.candidate.dynamic:
            continue
        seen.add(key)
        yield walk.candidate.makers[key]
        same = {None, walk.status[key].quantity}
        inputs = walk.candidate.steps[walk.candidate.makers[key]].inputs
        left.extend(one for one in inputs if walk.status[one].quantity in same)


def _few(walk: Walk, cones: dict[int, frozenset[int]], inside: set[int]) -> Iterator[Exchange]:
    """Values of one or two different numbers, which are taken as they are: those that operations not found take."""
    ours = [
        quantity
        for quantity in sorted({part for one in inside for part in walk.reference.parts[one]})
        if quantity in walk.reference.neutral and _real(walk.reference.values[quantity])
    ]
    left = [key for place in {walk.candidate.makers[k] for k in cones} for key in walk.candidate.steps[place].inputs]
    theirs: set[int] = set()
    while ours and left:
        key = left.pop()
        if key in theirs or key not in walk.neutral or walk.status[key].quantity is not None:
            continue
        if not _real(walk.values[key]):
            continue
        theirs.add(key)
        left.extend(walk.candidate.steps[walk.candidate.makers[key]].inputs)
    for rank, key in enumerate(sorted(theirs, key=lambda one: walk.candidate.makers[one])):
        for quantity in ours:
            value, truth = walk.values[key], walk.reference.values[quantity]
            if sizes(truth) == sizes(value) and arranged(value, truth) is None:
                move = Move("differs", quantity, key, (), frozenset({quantity}), frozenset({key}))
                yield Exchange((move,), 1.5 + rank / 100)


def _real(pooled: Pooled) -> bool:
    return all(array is not None and array.dtype.kind == "f" and array.size > 1 for array in pooled)


def _joint(
    walk: Walk, cones: dict[int, frozenset[int]], inside: set[int], single: dict[tuple[int, int], Exchange]
) -> Iterator[Exchange]:
    """Two faults beside each other that meet in one operation: neither is seen to be mended alone."""
    meetings = []
    for quantity in inside:
        parts = [part for part in walk.reference.parts[quantity] if part in inside]
        meetings.extend([(one, other) for one in parts for other in parts if one != other])
    for place in sorted({walk.candidate.makers[k] for k in cones}):
        inner = list(dict.fromkeys(unsettled(walk, place)))
        for first, second in [(a, b) for n, a in enumerate(inner) for b in inner[n + 1 :]]:
            for k, other in product(_back(walk, first), _back(walk, second)):
                if k in cones[other] or other in cones[k]:
                    continue
                for one, two in meetings:
                    if (one, k) in single and (two, other) in single:
                        a, b = single[one, k], single[two, other]
                        yield Exchange(a.moves + b.moves, a.cost + b.cost)


def _back(walk: Walk, key: int) -> list[int]:
    """The value, and what it is made of step by step, as long as one value alone is not found and has its size."""
    chain = [key]
    while len(chain) <= _CHAIN:
        inner = unsettled(walk, walk.candidate.makers[chain[-1]])
        if len(inner) != 1 or sizes(walk.values[inner[0]]) != sizes(walk.values[key]):
            break
        chain.append(inner[0])
    return chain
