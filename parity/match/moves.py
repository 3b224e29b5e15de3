"""One exchange: a quantity of the reference in place of a value of the candidate, and how it could lie there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parity.match.arrangement import Arrangement, guesses, merges
from parity.match.entries import together
from parity.match.values import Pooled, shape_pair
from parity.match.walk import Edge, Walk, laid_out


@dataclass(frozen=True)
class Move:
    """One quantity put in place of one value, at all its uses or at `edges` alone.

    `kind` is "differs" for operations on both sides, "missing" for operations that the candidate lacks, and "extra" for
    operations that the reference does not have. With "operand" another value is taken that is right in itself, and with
    "order" the right value is taken, its axes in the wrong order. `reference` are quantities and `candidate` values
    that are not found, and lie before the exchange. `origin` is the reference's value there, where it computes the
    quantity at several places. `taken` is a value of the candidate's own that is put there instead: what an operation
    takes that the reference does not have, of which the reference holds no value but `quantity`, the weight before it.
    `entry` is an axis and a place along it where the candidate runs an entry of the quantity apart. `joined` are the
    quantities, `quantity` the first of them, that are the entries of what is put there, where the reference does so.
    """

    kind: str
    quantity: int
    key: int
    edges: tuple[Edge, ...] = ()
    reference: frozenset[int] = frozenset()
    candidate: frozenset[int] = frozenset()
    origin: int | None = None
    taken: int | None = None
    entry: tuple[int, int] | None = None
    joined: tuple[int, ...] = ()

    @property
    def quantities(self) -> frozenset[int]:
        """All that is put there."""
        return frozenset(self.joined or (self.quantity,))

    @property
    def apart(self) -> bool:
        """One program runs entries of a batch apart, so that what is put there is no single quantity."""
        return self.entry is not None or bool(self.joined)

    def static(self, walk: Walk) -> bool:
        """What is exchanged does not depend on the inputs: a table, or what is made of it."""
        return self.key not in walk.candidate.dynamic

    def truth(self, walk: Walk) -> Pooled:
        """The quantity, the entry of it, or all entries together."""
        if self.joined:
            return together([walk.reference.values[one] for one in self.joined])
        values = walk.reference.values[self.quantity]
        if self.entry is None:
            return values
        axis, place = self.entry
        return tuple(None if array is None else array.take([place], axis) for array in values)

    def value(self, walk: Walk, row: Sequence[Arrangement], like: Pooled) -> Pooled:
        """What is put there, at the lengths at which `like` is there."""
        if self.taken is None:
            return laid_out(self.truth(walk), row, like)
        return tuple(None if one is None else own for one, own in zip(like, walk.values[self.taken], strict=True))


@dataclass(frozen=True)
class Exchange:
    """Moves made together, where two faults meet in one operation; one else. `cost` grows with the operations in it.

    `known`: the same operations were exchanged before, in another layer.
    """

    moves: tuple[Move, ...]
    cost: float
    known: bool = False


def options(walk: Walk, move: Move) -> Iterator[tuple[Arrangement, ...]]:
    """Arrangements in which the quantity could stand there, those that were seen between such shapes first."""
    truth, value = move.truth(walk), walk.values[move.key]
    if [array is None for array in truth] != [array is None for array in value]:
        return iter(())  # the two are computed at other lengths
    truth = tuple(array for array in truth if array is not None)
    if move.taken is not None:
        return iter([tuple(Arrangement((array.size,), (0,)) for array in value if array is not None)])
    shapes = shape_pair(truth, value)
    own = walk.status[move.key]
    rows: dict[tuple[Arrangement, ...], None] = {}
    if own.quantity is not None and len(own.arrangements) == len(truth):
        origin = walk.reference.values[own.quantity]
        if [a.shape for a in origin if a is not None] == [a.shape for a in truth if a is not None]:
            rows[own.arrangements] = None
    rows.update(walk.arrangements.get(shapes, {}))
    for first in _fitting(shapes[len(truth)], shapes[0]):
        row = [first]
        for length in range(1, len(truth)):
            fitting = _fitting(shapes[len(truth) + length], shapes[length])
            row.extend([a for a in fitting if a.order == first.order][:1])
        if len(row) == len(truth):
            rows[tuple(row)] = None
    if move.kind == "order":
        rows.pop(own.arrangements, None)
    return iter(rows)


def _fitting(candidate: tuple[int, ...], reference: tuple[int, ...]) -> Iterator[Arrangement]:
    yield from guesses(candidate, reference)
    yield from merges(candidate, reference)


def price(operations: int) -> float:
    """Of a departure: one, and one for each operation; more for many, which explain less."""
    return 1 + operations + operations**2 / 100


def mark(walk: Walk, move: Move) -> tuple[object, ...]:
    """What an exchange has in common with those of other layers: operations, their number and their places."""
    ours, theirs = walk.reference.made.get(move.quantity), walk.candidate.makers.get(move.key)
    node = None if ours is None else walk.reference.runs.steps[ours].node
    other = None if theirs is None else walk.candidate.steps[theirs].node
    counts = len(move.reference), len(move.candidate)
    return (move.kind, *counts, *((n.operation, str(n.place)) if n is not None else None for n in (node, other)))


def bonus(walk: Walk, move: Move) -> float:
    """What makes an exchange likelier than others of as many operations: two of one name."""
    ours = walk.reference.runs.steps[walk.reference.made[move.quantity]].node.operation
    theirs = walk.candidate.steps[walk.candidate.makers[move.key]].node.operation
    return 0.25 if plain(ours) == plain(theirs) else 0.0


def sizes(pooled: Pooled) -> tuple[int, ...]:
    """Number of elements at every length."""
    return tuple(-1 if array is None else array.size for array in pooled)


def plain(operation: str) -> str:
    """The name of an operation as both frameworks would write it: `aten.add_.Tensor` and `Add` are `add`."""
    parts = [
        part for part in operation.replace("::", ".").split(".") if part not in ("aten", "prims", "mx", "core", "fast")
    ]
    name = (parts[0] if parts else operation).strip("_").lower()
    return {"sub": "subtract", "mul": "multiply", "div": "divide", "neg": "negative", "mm": "matmul"}.get(name, name)
