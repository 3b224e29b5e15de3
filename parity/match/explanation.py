"""The operations of a departure as formulas: both programs' own, beside each other, values named alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np

from parity.base.makers import makers
from parity.exact.places import Place
from parity.match.arrangement import relative_error
from parity.match.departures import Departure
from parity.match.layouts import Reading, read_otherwise, turned_otherwise
from parity.match.moves import plain
from parity.match.origins import identity, laid_out_at, origin
from parity.match.tensors import misplaced
from parity.match.values import Pooled, Runs
from parity.match.walk import Walk
from parity.match.weighing import weights_apart

_LETTERS = "xyzuvwabcdefghijklmnopqrst"
_INFIX = {"add": ("+", 1), "subtract": ("-", 1), "multiply": ("·", 2), "divide": ("/", 2), "matmul": ("@", 2)}
_SEEN_THROUGH = {
    "reshape", "view", "_unsafe_view", "expand", "unsqueeze", "squeeze", "broadcast", "broadcast_to", "expanddims",
    "expand_dims", "flatten", "unflatten", "broadcastaxes", "contiguous", "clone", "alias", "detach", "copy",
}  # fmt: skip
"""Operations that leave the numbers where they are."""

_UNSAID = ("device", "layout", "pin_memory", "memory_format", "requires_grad", "cudnn_enabled", "benchmark")
"""Arguments that say nothing of the mathematics."""

_NARROW = (
    "float16",
    "bfloat16",
    "torch.float16",
    "torch.bfloat16",
    "int32",
    "int64",
    "uint32",
    "int8",
    "uint8",
    "bool",
)
"""Dtypes that change numbers: a cast between the others is none in double."""

_DEEP = 8
"""Operations that a constant's own formula is followed back through."""

_LONG = 14
"""A part of a formula that is used twice and is longer than this gets a name."""


CALL = re.compile(r"#\d+")
"""Behind a module: the number of its call."""
MADE = 6
"""Lines that made the values of a place, at most."""


@dataclass(frozen=True)
class Side:
    """One program's part of a departure: its formula, and the lines that it stands in."""

    formula: str
    places: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """What both programs do between the same values. `names` says which values the letters are.

    `called` are the lines that called those of the candidate, the nearest first: an argument is wrong where it is
    given. `made` are those above them that made the values there. `modules` are the paths of the candidate's modules
    in which the programs depart.
    """

    reference: Side
    candidate: Side
    names: Mapping[str, str]
    relation: str = ""
    constants: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = ", ".join(f"{letter} = {name}" for letter, name in self.names.items())
        sides = [
            f"{side.formula} ({', '.join(side.places) or 'place unknown'})" for side in (self.reference, self.candidate)
        ]
        relation = f"the candidate's is {self.relation}" if self.relation else ""
        rest = "; ".join(filter(None, (relation, *self.constants)))
        return f"{sides[0]} against {sides[1]}" + (f", where {where}" if where else "") + (f"; {rest}" if rest else "")

    @property
    def whole(self) -> str:
        """The explanation, the lines that called the candidate's, and those that made the values there."""
        called = f"called at {', '.join(self.called)}" if self.called else ""
        made = f"values made at {', '.join(self.made)}" if self.made else ""
        return "; ".join(filter(None, (str(self), called, made)))


@dataclass
class _Names:
    """Letters of quantities, the same on both sides."""

    walk: Walk
    letters: dict[int, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def quantity(self, quantity: int) -> str:
        if quantity not in self.letters:
            count = len(self.letters)
            letter = _LETTERS[count] if count < len(_LETTERS) else f"x{count}"
            self.letters[quantity] = letter
            self.said[letter] = describe(self.walk, quantity)
        return self.letters[quantity]


def describe(walk: Walk, quantity: int) -> str:
    """A quantity by the module that returns it, or by the operation that makes it."""
    runs = walk.reference.runs
    members = set(walk.reference.members.get(quantity, (quantity,)))
    names = [name for name, key in runs.taps.items() if key in members]
    if names:
        return min(names, key=len)
    if quantity in runs.inputs:
        return f"input {runs.inputs.index(quantity)}"
    place = runs.makers.get(quantity)
    if place is None:
        return "a constant"
    step = runs.steps[place]
    name = plain(step.node.operation)
    constants = [runs.constants(key)[0] for key in step.inputs if key not in runs.makers and key not in runs.inputs]
    if weights := [one.name for one in constants if one is not None and one.name]:
        name += f" of {' and '.join(weights)}"
    if len(step.outputs) > 1:
        name = f"part {step.outputs.index(quantity) + 1} of {name}"
    return f"{name} in {step.node.module}" if step.node.module else name


def explain(walk: Walk, departure: Departure) -> Explanation:
    """Both sides of a departure, after the walk."""
    names = _Names(walk)
    same = identity(walk, departure.key) if departure.edges or departure.kind == "operand" else None
    own = None if same is None else same[0]
    ours = _Formula(walk.reference.runs, walk.reference.values, departure.quantities, names, reference=True)
    theirs = _Formula(walk.candidate, walk.values, departure.keys, names, reference=False)
    static = departure.key not in walk.candidate.dynamic
    if static:
        texts = (ours.constant(departure.quantity), theirs.constant(departure.key))
    elif departure.kind == "order" and (pair := _operands_exchanged(walk, departure.key)):
        ours.inside.add(pair[0])
        theirs.inside.add(pair[1])
        texts = (ours.of(pair[0]), theirs.of(pair[1]))
    elif departure.kind == "order":
        letter = names.quantity(departure.quantity)
        texts = (letter, f"{letter} with its axes in another order")
    elif departure.kind == "operand":
        texts = (names.quantity(departure.quantity), names.quantity(own) if own is not None else "another value")
    elif departure.kind == "missing":
        texts = (ours.of(departure.quantity), names.quantity(own) if own is not None else "nothing")
    elif departure.kind == "extra":
        right = names.quantity(departure.quantity)
        texts = (right, theirs.of(departure.key))
    else:
        texts = (ours.of(departure.quantity), theirs.of(departure.key))
    constants = _constants(ours, theirs) if departure.kind == "differs" and not static else ()
    constants += () if static else weights_apart(walk, departure.quantities, departure.keys)
    readings = list(_readings(walk, departure))
    constants += tuple(f"{names.quantity(one.quantity)} is {one.said}" for one in readings)
    if static and departure.key not in walk.candidate.makers:
        constants = (f"{texts[1]} differs from {texts[0]} by {departure.error:.1e}",)
    if moved := misplaced(walk, departure):
        constants = moved if static else (*moved, *constants)
    made = [node.place for node in departure.reference] or _made_at(walk, departure.quantity)
    places = [*_places_of_candidate(walk, departure), *theirs.places, *(p for r in readings for p in r.at)]
    return Explanation(
        _side(texts[0], [*made, *ours.places]),
        _side(texts[1], places),
        names.said,
        departure.relation,
        constants,
        _called(places),
        _made(places),
        tuple(dict.fromkeys(CALL.sub("", node.module) for node in departure.candidate if node.module)),
    )


def _readings(walk: Walk, departure: Departure) -> Iterator[Reading]:
    """What the port reads in another order of axes, or splits otherwise."""
    if departure.kind == "order" and _operands_exchanged(walk, departure.key) is None:
        yield from turned_otherwise(walk, departure)
    elif departure.kind == "differs" and departure.key in walk.candidate.dynamic:
        yield from read_otherwise(walk, departure)


def _operands_exchanged(walk: Walk, key: int) -> tuple[int, int] | None:
    """The quantity and the value that an operation makes of two operands, each in the place of the other."""
    candidate, reference = walk.candidate, walk.reference
    key = laid_out_at(walk, key)
    quantity = walk.status[key].quantity
    if key not in candidate.makers or quantity is None or quantity not in reference.made:
        return None
    theirs = [walk.status[one].quantity for one in candidate.steps[candidate.makers[key]].inputs]
    ours = [reference.of.get(one) for one in reference.runs.steps[reference.made[quantity]].inputs]
    return (quantity, key) if len(set(ours)) == 2 and theirs == ours[::-1] else None


def _made_at(walk: Walk, quantity: int) -> list[Place | None]:
    place = walk.reference.made.get(quantity)
    return [] if place is None else [walk.reference.runs.steps[place].node.place]


def _places_of_candidate(walk: Walk, departure: Departure) -> list[Place | None]:
    """Of the port's operations. Behind a value where some are missing, or that is another, also where it is made."""
    places = [node.place for node in (*departure.candidate, *departure.takers)]
    if departure.kind == "order" and (pair := _operands_exchanged(walk, departure.key)):
        taken = walk.candidate.steps[walk.candidate.makers[pair[1]]].inputs
        origins = (walk.candidate.makers.get(origin(walk, one)) for one in taken)
        return [*(walk.candidate.steps[one].node.place for one in origins if one is not None), *places]
    made = walk.candidate.makers.get(origin(walk, departure.key))
    if made is None or departure.candidate or departure.kind not in ("missing", "operand"):
        return places
    return [walk.candidate.steps[made].node.place, *places]


def _called(places: Sequence[Place | None]) -> tuple[str, ...]:
    """The lines that called those of some places and are none of them, the nearest of each first."""
    own = {str(place) for place in places}
    chains = [[*_askers(place)] for place in places if place is not None]
    nearest = (str(place) for level in zip_longest(*chains) for place in level if place is not None)
    return tuple(dict.fromkeys(text for text in nearest if text not in own))


def _made(places: Sequence[Place | None]) -> tuple[str, ...]:
    """The lines above some places, in their functions, that made the values there: of each the nearest few."""
    known = [place for place in places if place is not None]
    above = (f"{place.file}:{line}" for place in known for line in makers(place.file, place.line)[:MADE])
    return tuple(dict.fromkeys(text for text in above if text not in set(map(str, known))))


def _askers(place: Place) -> Iterator[Place]:
    while place.asked is not None:
        place = place.asked
        yield place


def _side(formula: str, places: Sequence[Place | None]) -> Side:
    known = list(dict.fromkeys(place for place in places if place is not None))
    return Side(formula, tuple(map(str, known)), tuple(place.text for place in known))


class _Formula:
    """Formulas of one side."""

    def __init__(
        self, runs: Runs, values: Mapping[int, Pooled], inside: Collection[int], names: _Names, reference: bool
    ) -> None:
        self.runs, self.values, self.names, self.reference = runs, values, names, reference
        self.inside = set(inside)
        if reference:
            members = names.walk.reference.members
            self.inside |= {key for quantity in inside for key in members.get(quantity, ())}
        self.uses = Counter(
            taken for key in self.inside if key in runs.makers for taken in runs.steps[runs.makers[key]].inputs
        )
        self.named: dict[int, str] = {}
        self.lines: list[str] = []
        self.statics: dict[int, str] = {}
        self.places: list[Place | None] = []  # of the operations on constants alone

    def of(self, key: int) -> str:
        """The formula of a value, names of its parts before it."""
        text, _ = self._made(key)
        return "; ".join([*self.lines, text])

    def constant(self, key: int) -> str:
        """The formula of a value that does not depend on the inputs."""
        return self._static(key, _DEEP)[0]

    def _value(self, key: int) -> tuple[str, int]:
        """Text and precedence of a value that an operation takes."""
        if key not in self.runs.dynamic:
            return self._static(key, _DEEP)
        if key in self.inside and key in self.runs.makers:
            if key in self.named:
                return self.named[key], 9
            text, level = self._made(key)
            if self.uses[key] > 1 and len(text) > _LONG:
                self.named[key] = f"{'r' if self.reference else 'c'}{len(self.named) + 1}"
                self.lines.append(f"{self.named[key]} = {text}")
                return self.named[key], 9
            return text, level
        quantity = self.names.walk.reference.of.get(key) if self.reference else self.names.walk.status[key].quantity
        if quantity is not None:
            return self.names.quantity(quantity), 9
        status = None if self.reference else self.names.walk.status[key]
        apart = status.made_of - self.names.walk.seen.keys() if status is not None and status.settled else ()
        if apart and key not in self.names.walk.neutral:
            return self.names.quantity(min(apart)), 9  # an entry of it, or all entries of which it is one
        made = self.runs.makers.get(key)
        return ("an input" if made is None else f"‹{plain(self.runs.steps[made].node.operation)}›"), 9

    def _made(self, key: int) -> tuple[str, int]:
        place = self.runs.makers.get(key)
        if place is None:
            return self._value(key)
        node = self.runs.steps[place].node
        inputs = self.runs.steps[place].inputs
        return _operation(node.operation, dict(node.arguments), [self._value(taken) for taken in inputs])

    def _static(self, key: int, deep: int) -> tuple[str, int]:
        """Text and precedence of a value that does not depend on the inputs."""
        array = self.values[key][0]
        if array is None:
            return "a constant", 9
        if array.size == 1:
            return short(array.reshape(()).item()), 9
        if array.size and array.dtype.kind in "fiub" and np.all(array == array.flat[0]):
            return short(array.flat[0].item()), 9
        anchors = self.names.walk.anchors
        if key not in self.runs.makers:
            name = next((c.name for c in self.runs.constants(key) if c is not None and c.name), "")
            if not self.reference and not name:
                name = next((n for one in anchors.same.get(key, ()) if (n := self._reference_name(one))), "")
            self.statics[key] = name or f"constant{array.shape}"
            return self.statics[key], 9
        if not deep:
            self.statics[key] = f"constant{array.shape}"
            return self.statics[key], 9
        step = self.runs.steps[self.runs.makers[key]]
        if plain(step.node.operation) not in _SEEN_THROUGH:
            self.places.append(step.node.place)
        inputs = [self._static(taken, deep - 1) for taken in step.inputs]
        text, level = _operation(step.node.operation, dict(step.node.arguments), inputs)
        self.statics[key] = text
        return text, level

    def _reference_name(self, key: int) -> str:
        runs = self.names.walk.reference.runs
        if key in runs.makers:
            return ""
        return next((c.name for c in runs.constants(key) if c is not None and c.name), "")


def _constants(ours: _Formula, theirs: _Formula) -> tuple[str, ...]:
    """Constants of the candidate that no constant of the reference is equal to, beside the closest of their size."""
    same = theirs.names.walk.anchors.same
    lines = []
    for key, text in theirs.statics.items():
        array = theirs.values[key][0]
        if key in same or array is None or array.size < 2 or array.dtype.kind not in "fc":
            continue
        rivals = []
        for other, name in ours.statics.items():
            rival = ours.values[other][0]
            if rival is not None and rival.size == array.size and rival.dtype.kind in "fc":
                for turned in (rival, rival.T):
                    if turned.shape == array.shape:
                        rivals.append((relative_error(array, turned), name))
        if rivals:
            error, name = min(rivals)
            if 0 < error < 1:
                lines.append(f"{text} differs from {name} by {error:.1e}")
    return tuple(dict.fromkeys(lines))


def _operation(operation: str, arguments: dict[str, Any], inputs: list[tuple[str, int]]) -> tuple[str, int]:
    """Text and precedence of an operation."""
    name = plain(operation)
    if name == "reduce" and "operation" in arguments:
        name = str(arguments.pop("operation"))
    arguments = {key: value for key, value in arguments.items() if key not in _UNSAID}
    if name in _SEEN_THROUGH and inputs:
        return inputs[0]
    if name in ("astype", "_to_copy") and len(inputs) == 1 and str(arguments.get("dtype", "")) not in _NARROW:
        return inputs[0]
    if name in (*_INFIX, "pow") and len(inputs) == 1:
        for key in ("other", "b", "exponent"):  # as PyTorch and MLX call the second operand
            if key in arguments:
                inputs = [*inputs, (short(arguments.pop(key)), 9)]
        for key in ("a", "self"):
            if key in arguments:
                inputs = [(short(arguments.pop(key)), 9), *inputs]
    if name in _INFIX and len(inputs) == 2:
        sign, level = _INFIX[name]
        left, right = inputs
        if (factor := arguments.get("alpha", 1)) != 1:
            right = f"{short(factor)} · {right[0]}", 2
        if sign == "·" and "1" in (left[0], right[0]):
            return right if left[0] == "1" else left
        one = left[0] if left[1] >= level else f"({left[0]})"
        two = right[0] if right[1] > level or (right[1] == level and sign in "+·") else f"({right[0]})"
        return f"{one} {sign} {two}", level
    if name in ("pow", "power") and len(inputs) == 2:
        base, exponent = (text if level > 5 else f"({text})" for text, level in inputs)
        return f"{base}²" if exponent == "2" else f"{base}^{exponent}", 5
    if name == "reciprocal" and len(inputs) == 1:
        return _operation("divide", {}, [("1", 9), inputs[0]])
    if name == "negative" and len(inputs) == 1:
        return f"-{inputs[0][0]}" if inputs[0][1] > 2 else f"-({inputs[0][0]})", 3
    if name == "square" and len(inputs) == 1:
        return (inputs[0][0] if inputs[0][1] > 5 else f"({inputs[0][0]})") + "²", 5
    said = [text for text, _ in inputs]
    said += [f"{key}={short(value)}" for key, value in arguments.items() if value is not None and value is not False]
    return f"{name}({', '.join(said)})", 9


def short(value: Any) -> str:
    """A number as a short decimal; other arguments as they are written."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value if isinstance(value, str) else repr(value)
    return f"{value:.8g}"
