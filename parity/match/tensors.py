"""The weight that makes a departure, shown by putting the reference's in its place: most hold it in another order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from parity.match.arrangement import BOUND, difference, guesses
from parity.match.departures import Departure
from parity.match.orders import how
from parity.match.values import Runs
from parity.match.walk import Walk
from parity.match.weights import telling

_TRIED = 24
"""Forms of the reference's weights that are put in place of the port's at most, for one departure."""


def misplaced(walk: Walk, departure: Departure) -> tuple[str, ...]:
    """A sentence for each weight with the reference's in whose place the departure is gone; none where it stays."""
    if departure.kind in ("order", "operand"):
        return tuple(_exchanged(walk))
    if departure.kind != "differs" or not departure.healed:
        return ()
    if departure.key not in walk.candidate.dynamic:
        held, wanted = walk.candidate.given.get(departure.key, (None,))[0], departure.value[0]
        if held is None or wanted is None:
            return ()
        return tuple(_said(walk, departure.quantity, departure.key, wanted))
    for tried, (quantity, key, wanted) in enumerate(_forms(walk, departure)):
        if tried == _TRIED:
            break
        if _mends(walk, departure, key, wanted):
            return tuple(_said(walk, quantity, key, wanted))
    return ()


def _said(walk: Walk, quantity: int, key: int, wanted: np.ndarray) -> Iterator[str]:
    held = walk.candidate.given[key][0]
    if held is None:
        return
    what = _name(walk.candidate, key) or f"a constant {held.shape}"
    ours = _name(walk.reference.runs, quantity) or "a tensor"
    others = filter(None, (_name(walk.reference.runs, one) for one in walk.anchors.same.get(key, ())))
    if text := how(held, wanted):
        yield f"{what} of the port is {ours} of the reference {text}"
    elif (other := next(others, ours)) != ours:
        yield f"{what} of the port is {other} of the reference, in the place of {ours}: take {ours}"


def _forms(walk: Walk, departure: Departure) -> Iterator[tuple[int, int, np.ndarray]]:
    """Weights of the reference, in the layouts in which the port could hold them, that the port does not hold so."""
    runs, candidate = walk.reference.runs, walk.candidate
    made = [walk.reference.made[one] for one in departure.quantities if one in walk.reference.made]
    taken = [candidate.makers[key] for key in departure.keys if key in candidate.makers]
    ours = _sources(runs, (key for place in made for key in runs.steps[place].inputs))
    for key in _sources(candidate, (key for place in taken for key in candidate.steps[place].inputs)):
        held = candidate.given[key][0]
        for quantity in ours:
            truth = runs.given[quantity][0]
            if held is None or truth is None or held.size != truth.size or not telling(candidate.given[key]):
                continue
            for arrangement in guesses(held.shape, truth.shape):
                wanted = arrangement.apply(truth, held.shape)
                if not np.array_equal(wanted, held):
                    yield quantity, key, wanted


def _sources(runs: Runs, keys: Iterable[int]) -> list[int]:
    """The constants that the keys are, or are made of alone, in the order of their keys."""
    left, seen = list(keys), set[int]()
    while left:
        key = left.pop()
        if key not in seen and key not in runs.dynamic:
            seen.add(key)
            left.extend(runs.steps[runs.makers[key]].inputs if key in runs.makers else ())
    return sorted(key for key in seen if key not in runs.makers)


def _mends(walk: Walk, departure: Departure, key: int, wanted: np.ndarray) -> bool:
    """With this constant in its place the port computes the value that the reference does, from the same values."""
    candidate, lengths = walk.candidate, walk.lengths
    values = walk.statics.follow(walk.values, key, (wanted,) * len(lengths), lengths)
    for place in sorted({candidate.makers[one] for one in departure.keys if one in candidate.makers}):
        step = candidate.steps[place]
        taken = [values.get(one, walk.values[one]) for one in step.inputs]
        try:
            values.update(zip(step.outputs, step.compute(taken, lengths), strict=True))
        except (ArithmeticError, IndexError, ValueError):
            return False
    pairs = zip(values.get(departure.key, ()), departure.value, strict=False)
    told = [(made, truth) for made, truth in pairs if made is not None and truth is not None]
    return bool(told) and all(
        made.shape == truth.shape and difference(made, truth) <= 10 * BOUND for made, truth in told
    )


def _exchanged(walk: Walk) -> Iterator[str]:
    """Two weights of one shape, each of which the port holds under the other's name."""
    runs, same = walk.reference.runs, walk.anchors.same
    names = {key: _name(walk.candidate, key) for key in same if key not in walk.candidate.makers}
    held = {name: {_name(runs, one) for one in same[key]} for key, name in names.items() if name}
    for one, theirs in held.items():
        for other in sorted(theirs & held.keys()):
            if one < other and one in held[other] and one not in theirs:
                yield f"{one} of the port is {other} of the reference, and {other} is {one}: exchange the two"


def _name(runs: Runs, key: int) -> str:
    if key in runs.makers or key in runs.dynamic:
        return ""
    return next((c.name for c in runs.constants(key) if c is not None and c.name), "")
