"""What both sides of a departure take alike and read otherwise: a width split into heads first, or into channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parity.exact.places import Place
from parity.match.arrangement import Arrangement
from parity.match.departures import Departure
from parity.match.moves import plain
from parity.match.values import Pooled, arranged
from parity.match.walk import Walk

_LAYOUT = {
    "reshape", "transpose", "swapaxes", "moveaxis", "flatten", "unflatten", "squeeze", "expanddims", "expand_dims",
    "slice", "getitem", "split",
}  # fmt: skip
"""Operations of MLX that lay out or cut, and compute nothing."""


@dataclass(frozen=True)
class Reading:
    """What is `said` of how the port lays a quantity out, and the lines `at` which it does."""

    quantity: int
    said: str
    at: tuple[Place | None, ...]


def read_otherwise(walk: Walk, departure: Departure) -> Iterator[Reading]:
    """Quantities of which the two sides split an axis otherwise, so that no order of axes makes both the same."""
    reference, candidate = walk.reference, walk.candidate
    made = (reference.runs.steps[reference.made[one]] for one in departure.quantities & reference.made.keys())
    steps = (candidate.steps[candidate.makers[one]] for one in departure.keys & candidate.makers.keys())
    ours = {reference.of.get(key, key): key for step in made for key in step.inputs}
    for key in dict.fromkeys(key for step in steps for key in step.inputs):
        quantity = walk.status[key].quantity
        if quantity is not None and quantity in ours:
            reading = _reading(walk, key, quantity, reference.values[ours[quantity]])
            if reading is not None and not (reading[0] <= reading[1] or reading[1] <= reading[0]):
                del ours[quantity]
                yield reading[2]


def turned_otherwise(walk: Walk, departure: Departure) -> Iterator[Reading]:
    """The quantity of which the port holds the axes in another order than the one in which it is right."""
    reading = _reading(walk, departure.key, departure.quantity, departure.value)
    if reading is not None:
        yield reading[2]


def _reading(walk: Walk, key: int, quantity: int, wanted: Pooled) -> tuple[set[int], set[int], Reading] | None:
    """Where the axes of both begin, in strides, and what is said of it."""
    rows, found = walk.status[key].arrangements, arranged(wanted, walk.reference.values[quantity])
    if walk.status[key].quantity != quantity or not rows or found is None:
        return None
    one, other, held = rows[0], found[0][0], walk.values[key]
    said = f"read {_said(one, held)}; the reference reads it {_said(other, wanted)}"
    return _strides(one, held), _strides(other, wanted), Reading(quantity, said, tuple(_layout(walk, key)))


def _layout(walk: Walk, key: int) -> Iterator[Place | None]:
    """The steps that lay the value out, from the last one back to where it is made, perhaps beside others."""
    makers, steps = walk.candidate.makers, walk.candidate.steps
    while key in makers and plain(steps[makers[key]].node.operation) in _LAYOUT:
        yield steps[makers[key]].node.place
        key = steps[makers[key]].inputs[0]


def _strides(arrangement: Arrangement, value: Pooled) -> set[int]:
    """Where the axes begin that are read; those of the value itself where its elements lie as they are."""
    first = value[0]
    axes = first.shape if arrangement.plain and first is not None else arrangement.split
    return {int(np.prod(axes[place:])) for place in range(len(axes))}


def _said(arrangement: Arrangement, value: Pooled) -> str:
    first = value[0]
    if arrangement.plain and first is not None:
        return f"as it lies, {' × '.join(map(str, first.shape))}"
    return (
        f"as {' × '.join(map(str, arrangement.split))}, its axes in the order {', '.join(map(str, arrangement.order))}"
    )
