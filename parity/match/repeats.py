"""Exchanges that were right before, at the next place of the same operations: a step of a recurrence, or a layer."""

from __future__ import annotations

from collections.abc import Iterator

from parity.match.exchanges import candidate_cones
from parity.match.moves import Exchange, Move, mark, sizes
from parity.match.walk import Edge, Walk

_TRIED = 4
"""Exchanges made before that are tried for one value."""

_LATEST = 2
"""So many quantities of the same operations, the latest ones found, may be the operand that should be taken."""

Mark = tuple[object, ...]


class Repeats:
    """Remembers exchanges and finds them again, without a search among all others.

    `note` is told of every exchange that is made. An exchange comes again where the candidate runs the same operation
    of the same place, and the reference's quantity is made by the same operation of the same place as before.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.made: dict[Mark, dict[Mark, str]] = {}
        self.taken: dict[Mark, dict[Mark, str]] = {}
        self.order: dict[Mark, list[int]] = {}
        for quantity in sorted(walk.reference.made, key=walk.reference.made.__getitem__):
            self.order.setdefault(self._source(quantity), []).append(quantity)

    def note(self, move: Move) -> None:
        """Remember an exchange."""
        walk = self.walk
        if move.static(walk) or move.quantity not in walk.reference.made or move.origin is not None or move.apart:
            return
        if move.kind in ("differs", "extra") and move.key in walk.candidate.makers:
            there = self._place(walk.candidate.makers[move.key])
            self.made.setdefault(there, {})[mark(walk, move)] = move.kind
        elif move.kind in ("operand", "missing"):
            for place, position in move.edges:
                there = (*self._place(place), position, self._own(move.key))
                self.taken.setdefault(there, {})[self._source(move.quantity)] = move.kind

    def snapshot(self) -> tuple[dict[Mark, dict[Mark, str]], dict[Mark, dict[Mark, str]]]:
        """What is remembered, for `restore`."""
        made, taken = ({mark: dict(rows) for mark, rows in known.items()} for known in (self.made, self.taken))
        return made, taken

    def restore(self, snapshot: tuple[dict[Mark, dict[Mark, str]], dict[Mark, dict[Mark, str]]]) -> None:
        """Forget the exchanges since the snapshot."""
        self.made, self.taken = snapshot

    def exchanges(self, key: int) -> Iterator[Exchange]:
        """Those that could explain why this value is not found, the earliest ones first."""
        if not self.made and not self.taken:
            return
        walk = self.walk
        cones = candidate_cones(walk, key)
        count = 0
        for place in sorted({walk.candidate.makers[one] for one in cones}):
            for move in (*self._operands(place), *self._results(place, cones)):
                yield Exchange((move,), 0.0, known=True)
                count += 1
                if count == _TRIED:
                    return

    def _operands(self, place: int) -> Iterator[Move]:
        walk = self.walk
        for position, key in enumerate(walk.candidate.steps[place].inputs):
            edge: Edge = place, position
            if edge in walk.edges or walk.status[key].quantity is None:
                continue
            for source, kind in self.taken.get((*self._place(place), position, self._own(key)), {}).items():
                found = [one for one in self.order[source] if one in walk.seen and one != walk.status[key].quantity]
                left = [one for one in self.order[source] if one not in walk.seen]
                for quantity in reversed(found[-_LATEST:]) if kind == "operand" else left[:_LATEST]:
                    if sizes(walk.reference.values[quantity]) == sizes(walk.values[key]):
                        inside = walk.reference.cone(quantity, walk.seen)[0] if kind == "missing" else ()
                        yield Move(kind, quantity, key, (edge,), frozenset(inside))

    def _results(self, place: int, cones: dict[int, frozenset[int]]) -> Iterator[Move]:
        walk = self.walk
        marks = self.made.get(self._place(place), {})
        for key in walk.candidate.steps[place].outputs if marks else ():
            made_of = walk.status[key].made_of
            for quantity in self._next(key, made_of) if key in cones else ():
                for kind in dict.fromkeys(marks.values()):
                    inside = walk.reference.cone(quantity, walk.seen)[0] if kind == "differs" else ()
                    move = Move(kind, quantity, key, (), frozenset(inside), cones[key])
                    if (quantity in made_of) == (kind == "extra") and mark(walk, move) in marks:
                        yield move

    def _next(self, key: int, made_of: frozenset[int]) -> list[int]:
        """Quantities of as many numbers that the value is made of, or that are made next of such ones."""
        walk = self.walk
        size = sizes(walk.values[key])
        near, last = set(made_of), set(made_of)
        for _ in range(8):
            last = {user for one in last for user in walk.reference.users.get(one, ()) if user not in walk.seen} - near
            near |= last
        return sorted(one for one in near if one in walk.reference.made and sizes(walk.reference.values[one]) == size)

    def _own(self, key: int) -> Mark | None:
        quantity = self.walk.status[key].quantity
        return None if quantity not in self.walk.reference.made else self._source(quantity)

    def _place(self, place: int) -> Mark:
        node = self.walk.candidate.steps[place].node
        return node.operation, str(node.place)

    def _source(self, quantity: int) -> Mark:
        """The reference's operation, its place, and what makes its operands."""
        runs, made = self.walk.reference.runs, self.walk.reference.made
        node = runs.steps[made[quantity]].node
        parts = self.walk.reference.parts[quantity]
        before = (runs.steps[made[one]].node.operation if one in made else "" for one in parts)
        return node.operation, str(node.place), *before
