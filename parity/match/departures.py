"""Where the candidate departs from the reference: the smallest exchange behind which all is equal again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from parity.exact.program import Node
from parity.match.arrangement import Arrangement, guesses, relative_error
from parity.match.quantities import Quantities
from parity.match.values import Pooled, neutral
from parity.match.walk import Edge, Overlay, Status, Walk, shape_pair

_TRIALS = 4000
"""Exchanges tried for one departure, the smallest first."""


@dataclass
class Departure:
    """A few operations on either side, between equal inputs and a differing output.

    `kind` is "differs", "missing" (the reference's operations are not in the candidate), "extra" (the candidate's are
    not in the reference) or "operand" (an operation takes another value that is right in itself). `quantity` is the
    reference's value that was put in place of the candidate's `key`, at all its uses or at `edges` alone. `error` is
    the relative RMSE before. `healed`: behind the exchange values of the reference are found again.
    """

    number: int
    kind: str
    quantity: int
    key: int
    reference: tuple[Node, ...]
    candidate: tuple[Node, ...]
    inputs: tuple[int, ...]
    error: float
    value: Pooled
    edges: list[Edge] = field(default_factory=list)
    healed: bool = True
    module: str = ""


@dataclass(frozen=True)
class Exchange:
    """A quantity of the reference to be put in place of a value, everywhere or at single uses."""

    kind: str
    quantity: int
    key: int
    edges: tuple[Edge, ...]
    cost: float
    reference: frozenset[int]
    candidate: frozenset[int]


@dataclass(frozen=True)
class _Outcome:
    arrangements: tuple[Arrangement, ...]
    found: int
    healed: bool


class Search:
    """Finds and mends departures for a walk."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.departures: list[Departure] = []
        self.habits: set[tuple[object, ...]] = set()
        self.given_up: list[int] = []

    def mend(self, place: int, key: int) -> None:
        """Exchange until nothing is wrong before this value."""
        while self.walk.astray(key):
            if not self._mend_one(place, key):
                self._give_up(place, key)

    def _mend_one(self, place: int, key: int) -> bool:
        partial: tuple[Exchange, _Outcome] | None = None
        for count, exchange in enumerate(self._exchanges(key)):
            if count > _TRIALS or (partial is not None and exchange.cost >= partial[0].cost + 3):
                break
            outcome = self._try(exchange, place, key)
            if outcome is None:
                continue
            if outcome.healed:
                if self._accept(exchange, outcome, place, key):
                    return True
            elif partial is None and outcome.found:
                partial = exchange, outcome
        return partial is not None and self._accept(*partial, place, key)

    def _exchanges(self, key: int) -> Iterator[Exchange]:
        """All exchanges that could explain a value that is not found, those of the fewest operations first."""
        walk, quantities = self.walk, self.walk.reference
        cones = self._candidate_cones(key)
        targets = self._targets(key)
        inside: set[int] = set()
        edge: set[int] = set()
        for target in targets:
            new, border = quantities.cone(target, walk.seen)
            inside |= new
            edge |= border
        ours = {quantity: quantities.cone(quantity, walk.seen) for quantity in inside}
        uses: dict[int, list[Edge]] = {}
        for maker in {walk.candidate.makers[k] for k in cones}:
            for position, taken in enumerate(walk.candidate.steps[maker].inputs):
                if (maker, position) not in walk.edges and walk.status[taken].quantity is not None:
                    uses.setdefault(taken, []).append((maker, position))
        edge = {
            q for q in edge | {walk.status[k].quantity for k in uses} if q is not None and q not in quantities.neutral
        }
        sizes = {q: _sizes(quantities.values[q]) for q in inside | edge}
        rows: list[Exchange] = []
        for k, cone in cones.items():
            size = _sizes(walk.values[k])
            last = 100.0 if k == key and key not in walk.candidate.outputs else 0.0
            for quantity, (made, border) in ours.items():
                if sizes[quantity] == size and (border & walk.status[k].made_of or not walk.status[k].made_of):
                    cost = len(made) + len(cone) + 1 + last - self._bonus(quantity, k)
                    rows.append(Exchange("differs", quantity, k, (), cost, frozenset(made), cone))
            for quantity in edge:
                if sizes[quantity] == size and quantity in walk.status[k].made_of:
                    rows.append(Exchange("extra", quantity, k, (), len(cone) + 3 + last, frozenset(), cone))
        for k, edges in uses.items():
            size = _sizes(walk.values[k])
            own = walk.status[k].quantity
            choices = [tuple(edges)] + ([(one,) for one in edges] if len(edges) > 1 else [])
            for quantity in inside | edge:
                if sizes[quantity] != size or quantity == own:
                    continue
                made, border = ours.get(quantity, (set(), set()))
                if made and own not in border:
                    continue
                for choice in choices:
                    cost = len(made) + 3 + 0.5 * (len(choice) < len(edges))
                    kind = "missing" if made else "operand"
                    rows.append(Exchange(kind, quantity, k, choice, cost, frozenset(made), frozenset()))
        return iter(sorted(rows, key=lambda row: (row.cost, row.quantity, row.key)))

    def _bonus(self, quantity: int, key: int) -> float:
        """An exchange like one that was right before is tried earlier; operations of one name before others."""
        if self._habit("differs", quantity, key) in self.habits:
            return 0.5
        place = self.walk.reference.made.get(quantity)
        if place is None:
            return 0.0
        ours = self.walk.reference.runs.steps[place].node.operation
        theirs = self.walk.candidate.steps[self.walk.candidate.makers[key]].node.operation
        return 0.25 if plain(ours) == plain(theirs) else 0.0

    def _habit(self, kind: str, quantity: int, key: int) -> tuple[object, ...]:
        walk = self.walk
        ours, theirs = walk.reference.made.get(quantity), walk.candidate.makers.get(key)
        node = None if ours is None else walk.reference.runs.steps[ours].node
        other = None if theirs is None else walk.candidate.steps[theirs].node
        return (kind, *((n.operation, n.place) if n is not None else None for n in (node, other)))

    def _candidate_cones(self, key: int) -> dict[int, frozenset[int]]:
        """Of every value before `key` that is not found, the ones that it is made of that are not found either."""
        walk = self.walk
        cones: dict[int, frozenset[int]] = {}

        def visit(one: int) -> frozenset[int]:
            if one not in cones:
                maker = walk.candidate.makers[one]
                inner = [
                    visit(taken)
                    for position, taken in enumerate(walk.candidate.steps[maker].inputs)
                    if not walk.status[taken].settled and (maker, position) not in walk.edges
                ]
                cones[one] = frozenset({one}).union(*inner)
            return cones[one]

        visit(key)
        return cones

    def _targets(self, key: int) -> list[int]:
        """The reference's quantities that this value, or one soon after it, should be."""
        walk = self.walk
        outputs = walk.reference.runs.outputs
        if key in walk.candidate.outputs:
            position = walk.candidate.outputs.index(key)
            if len(outputs) == len(walk.candidate.outputs):
                return [walk.reference.of[outputs[position]]]
            return [walk.reference.of[one] for one in outputs if walk.reference.of[one] not in walk.seen]
        step = walk.candidate.steps[walk.candidate.makers[key]]
        targets = []
        for taken in step.inputs:
            for weight in walk.anchors.same.get(taken, ()):
                targets.extend([q for q in walk.takers.get(weight, ()) if q not in walk.seen][:1])
        if targets:
            return [max(targets)]
        return [walk.reference.of[one] for one in outputs if one in walk.reference.of]

    def _options(self, exchange: Exchange) -> list[tuple[Arrangement, ...]]:
        """Arrangements in which the quantity could stand there, those that were seen before or come closest first."""
        walk = self.walk
        truth, value = walk.reference.values[exchange.quantity], walk.values[exchange.key]
        shapes = shape_pair(truth, value)
        own = walk.status[exchange.key]
        options: dict[tuple[Arrangement, ...], None] = {}
        if own.quantity is not None:
            origin = walk.reference.values[own.quantity]
            if [a.shape for a in origin if a is not None] == [a.shape for a in truth if a is not None]:
                options[own.arrangements] = None
        options.update(walk.arrangements.get(shapes, {}))
        for first in guesses(shapes[len(truth)], shapes[0]):
            row = [first]
            for length in range(1, len(truth)):
                fitting = guesses(shapes[len(truth) + length], shapes[length])
                other = next((a for a in fitting if a.order == first.order), None)
                if other is not None:
                    row.append(other)
            if len(row) == len(truth):
                options[tuple(row)] = None
        if exchange.kind == "differs" and len(options) > 1:
            return sorted(options, key=lambda row: self._error(exchange, row, (0,)))[:2]
        return list(options)[:3]

    def _error(self, exchange: Exchange, row: tuple[Arrangement, ...], lengths: Sequence[int]) -> float:
        truth = self.walk.reference_value(exchange.quantity, row, self.walk.values[exchange.key])
        errors = []
        for length in lengths:
            one, other = self.walk.values[exchange.key][length], truth[length]
            if one is not None and other is not None:
                errors.append(relative_error(one, other))
        return max(errors, default=0.0)

    def _try(self, exchange: Exchange, place: int, key: int) -> _Outcome | None:
        """What the exchange mends at the first length."""
        best: _Outcome | None = None
        for arrangements in self._options(exchange):
            overlay = self._exchanged(exchange, arrangements, place, (0,))
            outcome = self._judge(exchange, arrangements, overlay, key)
            if outcome is not None and (best is None or (outcome.healed, outcome.found) > (best.healed, best.found)):
                best = outcome
            if best is not None and best.healed:
                return best
        return best

    def _exchanged(
        self, exchange: Exchange, arrangements: tuple[Arrangement, ...], place: int, lengths: Sequence[int]
    ) -> Overlay:
        walk = self.walk
        like = walk.values[exchange.key]
        kept = tuple(array if length in lengths else None for length, array in enumerate(like))
        value = walk.reference_value(exchange.quantity, arrangements, kept)
        before = walk.status[exchange.key]
        status = Status(
            exchange.quantity,
            arrangements,
            settled=True,
            made_of=frozenset({exchange.quantity}),
            follows=before.follows | {len(self.departures)},
        )
        if exchange.edges:
            return walk.propagate({}, dict.fromkeys(exchange.edges, (value, status)), place, lengths)
        return walk.propagate({exchange.key: (value, status)}, {}, place, lengths)

    def _judge(
        self, exchange: Exchange, arrangements: tuple[Arrangement, ...], overlay: Overlay, key: int
    ) -> _Outcome | None:
        walk = self.walk
        found = 0
        for changed, status in overlay.status.items():
            if changed == exchange.key:
                continue
            before = walk.status[changed]
            if before.settled and not status.settled:
                return None
            new = status.quantity is not None and status.quantity != exchange.quantity
            found += new and not before.settled
        last = overlay.status.get(key, walk.status[key])
        output = key in walk.candidate.outputs
        healed = last.settled or (not output and last.age <= 1 and found > 0)
        return _Outcome(arrangements, found, healed) if found or healed else None

    def _accept(self, exchange: Exchange, outcome: _Outcome, place: int, key: int) -> bool:
        """Exchange at all lengths, if it mends there what it mends at the first."""
        walk = self.walk
        overlay = self._exchanged(exchange, outcome.arrangements, place, walk.lengths)
        again = self._judge(exchange, outcome.arrangements, overlay, key)
        if again is None or again.healed < outcome.healed:
            return False
        self._note(exchange, outcome.arrangements, overlay, again.found > 0)
        walk.commit(overlay)
        return True

    def _note(self, exchange: Exchange, arrangements: tuple[Arrangement, ...], overlay: Overlay, healed: bool) -> None:
        walk = self.walk
        runs, candidate = walk.reference.runs, walk.candidate
        number = len(self.departures)
        ours = sorted({walk.reference.made[q] for q in exchange.reference})
        theirs = sorted({candidate.makers[k] for k in exchange.candidate} | {place for place, _ in exchange.edges})
        made = walk.reference.made.get(exchange.quantity)
        value = overlay.edges[exchange.edges[0]][0] if exchange.edges else overlay.values[exchange.key]
        _, border = walk.reference.cone(exchange.quantity, walk.seen)
        self.departures.append(
            Departure(
                number,
                exchange.kind,
                exchange.quantity,
                exchange.key,
                tuple(runs.steps[place].node for place in ours),
                tuple(candidate.steps[place].node for place in theirs),
                tuple(sorted(border)),
                self._error(exchange, arrangements, walk.lengths),
                value,
                list(exchange.edges),
                healed,
                "" if made is None else runs.steps[made].node.module,
            )
        )
        self.habits.add(self._habit(exchange.kind, exchange.quantity, exchange.key))
        if exchange.edges:
            walk.alternatives.setdefault(exchange.key, []).append((number, exchange.quantity))

    def _give_up(self, place: int, key: int) -> None:
        """No exchange mends it: the stretch is noted as it is, and the walk goes on behind it."""
        walk = self.walk
        cones = self._candidate_cones(key)
        targets = self._targets(key)
        inside = {q for target in targets for q in walk.reference.cone(target, walk.seen)[0]}
        runs, candidate = walk.reference.runs, walk.candidate
        self.departures.append(
            Departure(
                len(self.departures),
                "differs",
                targets[0] if targets else -1,
                key,
                tuple(runs.steps[p].node for p in sorted({walk.reference.made[q] for q in inside})),
                tuple(candidate.steps[p].node for p in sorted({candidate.makers[k] for k in cones})),
                (),
                float("inf"),
                walk.values[key],
                healed=False,
            )
        )
        overlay = Overlay()
        number = frozenset({len(self.departures) - 1})
        for one in cones:
            overlay.values[one] = walk.values[one]
            overlay.status[one] = replace(
                walk.status[one], settled=True, age=0, follows=walk.status[one].follows | number
            )
        walk.commit(overlay)


def _sizes(pooled: Pooled) -> tuple[int, ...]:
    return tuple(-1 if array is None else array.size for array in pooled)


def plain(operation: str) -> str:
    """The name of an operation as both frameworks would write it: `aten.add_.Tensor` and `Add` are `add`."""
    parts = [part for part in operation.replace("::", ".").split(".") if part not in ("aten", "prims", "mx", "core")]
    return (parts[0] if parts else operation).strip("_").lower()


__all__ = ["Departure", "Exchange", "Quantities", "Search", "neutral", "plain"]
