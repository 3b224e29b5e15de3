"""Exchanges tried at the first length: what each of them mends."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from itertools import islice, product

from parity.match.arrangement import Arrangement, relative_error
from parity.match.moves import Exchange, Move, sizes
from parity.match.moves import options as arrangements
from parity.match.values import Pooled
from parity.match.walk import Edge, Overlay, Status, Walk

_FAR, _UNLIKE = 0.3, 6.0
"""Relative RMSE from which on two results are hardly counterparts, and what that costs beside operations.

Half of it is gained by two results that are near each other."""

_VAIN = 32
"""Steps behind an exchange of which nothing is found, after which it is given up."""

WORK = 300_000
"""Operations that are run in trials for one pair of programs, at most: planted faults take up to 180,000."""

LIKE, NEAR = 0.5, 0.05
"""Relative RMSE up to which two values may be, and up to which they must be, each other's counterparts."""


@dataclass(frozen=True)
class Outcome:
    arrangements: tuple[tuple[Arrangement, ...], ...]
    found: int
    healed: bool


class Trials:
    """Tries exchanges in a walk. `departures` are those found before: their count is the number of the next.

    `work` counts the operations that were run so.
    """

    def __init__(self, walk: Walk, departures: Sized) -> None:
        self.walk, self.departures, self.work = walk, departures, 0

    @property
    def spent(self) -> bool:
        """No more exchanges are searched."""
        return self.work >= WORK

    def tried(self, exchange: Exchange, place: int, key: int) -> Outcome | None:
        """What the exchange mends at the first length, in the best of the likeliest arrangements."""
        best: Outcome | None = None
        for rows in product(*(self.options(move) for move in exchange.moves)):
            try:
                outcome = self.judge(exchange, rows, self.exchanged(exchange, rows, place, (0,), _VAIN), key)
            except (ArithmeticError, IndexError, ValueError):  # what follows does not take such values
                continue
            if outcome is not None and (best is None or (outcome.healed, outcome.found) > (best.healed, best.found)):
                best = outcome
                if best.healed:
                    break
        return best

    def score(self, exchange: Exchange, outcome: Outcome) -> float:
        """Of exchanges that mend a part: few operations, results that are close, and much found behind."""
        errors = {"differs": [0.0], "extra": [0.0]}
        for move, row in zip(exchange.moves, outcome.arrangements, strict=True):
            errors.setdefault(move.kind, [0.0]).append(self.error(move, row, (0,)))
        likely = _UNLIKE if max(errors["differs"]) > _FAR else 0.0
        if 0 < max(errors["differs"] + errors["extra"]) < NEAR:
            likely = -_UNLIKE / 2
        return exchange.cost + likely - min(outcome.found, 8) / 2

    def fewest_uses(self, exchange: Exchange, outcome: Outcome, place: int, key: int) -> tuple[Exchange, Outcome]:
        """Of an exchange at several uses, those that it is right at.

        A use is dropped where more is found without it, or where nothing tells but the result there, which is closer to
        a result of the reference without it.
        """
        for edge in exchange.moves[0].edges:
            move = exchange.moves[0]
            if len(move.edges) < 2:
                break
            fewer = replace(move, edges=tuple(one for one in move.edges if one != edge))
            less = Exchange((fewer,), exchange.cost)
            overlays = [self.exchanged(one, outcome.arrangements, place, (0,)) for one in (exchange, less)]
            again = self.judge(less, outcome.arrangements, overlays[1], key)
            if again is None or again.healed < outcome.healed or again.found < outcome.found:
                continue
            with_it, without = (self._closest(move, edge[0], overlay) for overlay in overlays)
            if again.found > outcome.found or without < with_it:
                exchange, outcome = less, again
        return exchange, outcome

    def options(self, move: Move) -> list[tuple[Arrangement, ...]]:
        rows = list(arrangements(self.walk, move))
        if move.kind == "differs" and len(rows) > 1:
            return sorted(rows, key=lambda row: self.error(move, row, (0,)))[:2]
        return rows[:6] if move.kind == "order" else rows[:3]

    def error(self, move: Move, row: tuple[Arrangement, ...], lengths: Sequence[int]) -> float:
        value = self.walk.values[move.key]
        truth = move.value(self.walk, row, value)
        pairs = [(value[length], truth[length]) for length in lengths]
        if not row:
            return float("inf")
        return max((relative_error(x, y) for x, y in pairs if x is not None and y is not None), default=0.0)

    def exchanged(
        self,
        exchange: Exchange,
        rows: tuple[tuple[Arrangement, ...], ...],
        place: int,
        lengths: Sequence[int],
        vain: int | None = None,
    ) -> Overlay:
        walk = self.walk
        changes: dict[int, tuple[Pooled, Status]] = {}
        edges: dict[Edge, tuple[Pooled, Status]] = {}
        for number, (move, row) in enumerate(zip(exchange.moves, rows, strict=True), len(self.departures)):
            like = walk.values[move.key]
            kept = tuple(array if length in lengths else None for length, array in enumerate(like))
            follows = walk.status[move.key].follows | {number}
            made_of = move.quantities
            there = (
                move.value(walk, row, kept),
                Status(None if move.apart else move.quantity, row, 0.0, True, 0, 0, made_of, follows, entry=move.entry),
            )
            if move.static(walk):
                known = Status(settled=True, follows=follows)
                after = walk.statics.follow(walk.values, move.key, there[0], lengths)
                changes.update({key: (value, known) for key, value in after.items()})
            elif move.edges:
                edges.update(dict.fromkeys(move.edges, there))
            else:
                changes[move.key] = there
        overlay = walk.propagate(changes, edges, place, lengths, vain)
        self.work += len(overlay.status)
        return overlay

    def judge(
        self, exchange: Exchange, rows: tuple[tuple[Arrangement, ...], ...], overlay: Overlay, key: int
    ) -> Outcome | None:
        walk = self.walk
        moved = {move.key for move in exchange.moves if not move.edges}
        put = frozenset[int]().union(*(move.quantities for move in exchange.moves))
        static = any(move.static(walk) for move in exchange.moves)
        if any(move.kind == "operand" and self._returned(move, overlay) for move in exchange.moves):
            return None
        found = 0
        for changed, status in overlay.status.items():
            before = walk.status[changed]
            if before.settled and not status.settled and (not static or walk.idle(changed) is None):
                return None
            if changed not in moved and not before.settled and status.settled:
                now = {status.quantity} if status.quantity is not None else status.made_of  # of its entries
                new = status.entry is None or all(status.entry not in walk.given.get(one, ()) for one in now)
                found += new and not now <= put and walk.seen.keys().isdisjoint(now)
        last, before = overlay.status.get(key, walk.status[key]), walk.status[key]
        near = last.age <= 1 and (last.age < before.age or last.depth <= before.depth / 2)
        healed = (last.settled and not self.elsewhere(key, last.quantity)) or (
            key not in walk.candidate.outputs and near and found > 0
        )
        return Outcome(rows, found, healed) if found or healed else None

    def _returned(self, move: Move, overlay: Overlay) -> bool:
        """What takes the quantity gives it back, as what takes a mean of zero does: it is no operand there."""
        steps = (self.walk.candidate.steps[place] for place, _ in move.edges)
        made = [overlay.status.get(step.outputs[0]) for step in steps if len(step.inputs) > 1]
        return any(status is not None and status.quantity == move.quantity for status in made)

    def elsewhere(self, key: int, quantity: int | None) -> bool:
        """The value is an output that would be another quantity than the reference's output at its position."""
        outputs, wanted = self.walk.candidate.outputs, self.walk.reference.runs.outputs
        if quantity is None or key not in outputs or len(outputs) != len(wanted):
            return False
        of = self.walk.reference.of
        return quantity not in {of.get(there) for one, there in zip(outputs, wanted, strict=True) if one == key}

    def _closest(self, move: Move, place: int, overlay: Overlay) -> float:
        """How far the result of a step is from what the reference makes of the values that are exchanged."""
        walk = self.walk
        own = walk.status[move.key].quantity
        users = {user for one in (move.quantity, own) if one is not None for user in walk.reference.users.get(one, ())}
        least = float("inf")
        for made in walk.candidate.steps[place].outputs:
            value = overlay.values[made][0] if made in overlay.values else walk.values[made][0]
            for quantity in users - walk.seen.keys():
                if sizes(walk.reference.values[quantity]) != sizes(walk.values[made]) or value is None:
                    continue
                truth = walk.reference.values[quantity][0]
                for row in islice(arrangements(walk, Move("differs", quantity, made)), 3):
                    assert truth is not None
                    least = min(least, relative_error(value, row[0].apply(truth, value.shape)))
        return least
