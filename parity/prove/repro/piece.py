"""What a departure is made of: its operations on either side, what they take, and both values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from parity.base.errors import InputError
from parity.exact.program import Node, Program, Values, evaluate
from parity.match.arrangement import Arrangement, find
from parity.match.departures import Departure
from parity.match.explanation import Explanation
from parity.match.matching import Matching


@dataclass
class Part:
    """One side's operations in running order, and the numbers of what they take and give. `values` has all of these.

    `wanted` is what the port's would give if they took the right value, where that is all that is wrong.
    """

    program: Program
    nodes: list[Node]
    result: int
    values: Values
    taken: list[int] = field(default_factory=list)
    wanted: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        made = {number for node in self.nodes for number in node.outputs}
        taken = [number for node in self.nodes for number in node.inputs if number not in made]
        self.taken = list(dict.fromkeys(taken if self.result in made else [self.result]))

    @cached_property
    def static(self) -> set[int]:
        """The numbers of what does not depend on the inputs."""
        found = set(self.program.constants)
        for node in self.program.nodes:
            if found.issuperset(node.inputs):
                found.update(node.outputs)
        return found

    def number(self, number: int) -> float | int | None:
        """The number that a value is, alone or all over, where that does not depend on the inputs; else None."""
        array = self.values[number]
        if number not in self.static or array.dtype.kind not in "fiu" or not array.size:
            return None
        first: float | int = array.flat[0].item()
        return first if (array == first).all() else None

    def name(self, number: int) -> str:
        """What a value is called in its model: a weight's path, the module that returns it, or what makes it."""
        if number in self.program.constants:
            return self.program.constants[number].name
        if number in self.program.inputs:
            return f"input {self.program.inputs.index(number)}"
        taps = [name for name, tap in self.program.taps.items() if tap == number]
        made = self.program.makers().get(number)
        if taps or made is None:
            return min(taps, key=len, default="")
        return f"{made.operation} in {made.module}" if made.module else made.operation


@dataclass
class Piece:
    """A departure, by itself. `expected` is the reference's value, `port` the port's from the same values, in double.

    `turned` is how the port holds the reference's value, and `same` how it holds each value that it takes as well.
    """

    departure: Departure
    explanation: Explanation
    reference: Part
    candidate: Part
    turned: Arrangement
    same: dict[int, tuple[int, Arrangement]]

    @property
    def expected(self) -> np.ndarray:
        return self.reference.values[self.reference.result]

    @property
    def port(self) -> np.ndarray:
        return self.candidate.values[self.candidate.result]


def piece(
    found: Matching,
    number: int,
    inputs: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    exact: dict[int, np.ndarray],
) -> Piece:
    """The departure of that number. `exact` are the constants of the port that the reference knows better.

    Raises `InputError` for one that is no operation with a result of its own.
    """
    if not 0 <= number < len(found.departures):
        raise InputError(f"there is no departure {number + 1}: there are {len(found.departures)}")
    departure, explanation = found.departures[number], found.explanations[number]
    assert found.programs is not None
    ours, theirs = found.programs
    title, value = f"departure {number + 1}", departure.value[0]
    if None in departure.numbers or value is None or not np.isfinite(departure.error):
        raise InputError(f"{title} is no few operations with one value, so it cannot be run by itself")
    if departure.numbers[1] in theirs.constants and departure.kind not in ("operand", "order"):
        raise InputError(f"{title} is a weight, which is no operation: correct how it is converted")
    given = evaluate(ours, inputs[0])
    mended = exact | _mended(found.departures, departure)
    values = evaluate(theirs, inputs[1], mended)
    if departure.kind in ("operand", "order"):
        reference, candidate = _takers(departure, (ours, theirs), given, values, mended, inputs[1])
        value = candidate.wanted
    else:
        reference = _part(ours, departure.reference, departure.numbers[0], given)
        candidate = _part(theirs, departure.candidate, departure.numbers[1], values)
    turned = find(value, given[reference.result])
    if turned is None:
        raise InputError(f"{title} has no one value that the port would have to give: it is in entries")
    return Piece(departure, explanation, reference, candidate, turned, _same(reference, candidate))


def _takers(
    departure: Departure,
    programs: tuple[Program, Program],
    ours: Values,
    theirs: Values,
    mended: dict[int, np.ndarray],
    inputs: Sequence[np.ndarray],
) -> tuple[Part, Part]:
    """Of a value that is right and taken in the wrong place or order: the operations that take it, on both sides."""
    key, value = departure.numbers[1], departure.value[0]
    assert value is not None and key is not None
    places = {id(node): place for place, node in enumerate(programs[1].nodes)}
    takers = [node for node in departure.takers if id(node) in places] or programs[1].users().get(key, [])
    for taker in takers[:1]:
        edges = {(places[id(taker)], at): value for at, number in enumerate(taker.inputs) if number == key}
        wanted = evaluate(programs[1], inputs, mended, edges)[taker.outputs[0]]
        for node in programs[0].nodes:
            for number in node.outputs:
                if ours[number].size == wanted.size and find(wanted, ours[number]) is not None:
                    candidate = _part(programs[1], [taker], taker.outputs[0], theirs)
                    candidate.wanted = wanted
                    return _part(programs[0], [node], number, ours), candidate
    raise InputError(f"departure {departure.number + 1} is in what takes a value, and nothing of the reference is that")


def _part(program: Program, nodes: Sequence[Node], result: int | None, values: Values) -> Part:
    """What of the operations the result is made of."""
    assert result is not None
    known = {id(node) for node in nodes}
    needed, kept = {result}, list[Node]()
    for node in reversed(program.nodes):
        if id(node) in known and needed.intersection(node.outputs):
            kept.insert(0, node)
            needed.update(node.inputs)
    return Part(program, kept, result, values)


def _mended(departures: Sequence[Departure], one: Departure) -> dict[int, np.ndarray]:
    """The reference's values in place of all other departures, so that what this one takes is right."""
    mended = {}
    for other in departures:
        number, value = other.numbers[1], other.value[0]
        if other is not one and number is not None and number != one.numbers[1] and value is not None:
            if not other.edges and np.isfinite(other.error):
                mended[number] = value
    return mended


def _same(reference: Part, candidate: Part) -> dict[int, tuple[int, Arrangement]]:
    """Of what the port's operations take, the value of the reference's that is the same, and how it lies."""
    found = {}
    for number in candidate.taken:
        array = candidate.values[number]
        for other in reference.taken:
            truth = reference.values[other]
            if candidate.number(number) is None and truth.size == array.size and truth.dtype.kind == array.dtype.kind:
                if (arrangement := find(array, truth)) is not None:
                    found[number] = other, arrangement
                    break
    return found
