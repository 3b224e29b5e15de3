"""Where the candidate departs from the reference: the smallest exchange behind which all is equal again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

from parity.exact.program import Node
from parity.match.arrangement import BOUND, Arrangement, relative_error
from parity.match.exchanges import candidate_cones, exchanges, targets, unsettled
from parity.match.moves import Exchange, Move, mark, options, plain, sizes
from parity.match.origins import laid_out_at
from parity.match.relations import relation
from parity.match.repeats import Repeats
from parity.match.trials import LIKE, NEAR, Outcome, Trials
from parity.match.values import Pooled, arranged, informative
from parity.match.walk import Edge, Overlay, Status, Walk

_TRIALS = 4000
"""Exchanges tried for one departure, the cheapest first."""

_REACH = 12.0
"""So much more may one exchange cost than the first of several that explain the same."""

_PAIRED = 8
"""Closest results among which two faults beside each other, before a third, are looked for."""

_INSIDE = 3
"""Operations of the reference up to a module's result, which is lost behind, from what was found: a mask before it."""

_BEHIND = 5
"""Steps behind one that takes a weight among which the module's result is."""


@dataclass
class Departure:
    """A few operations on either side, between equal inputs and a differing output.

    `kind` is that of the `Move` that mends it. `quantity` is the reference's value that was put in place of the
    candidate's `key`, at all its uses or at `edges` alone; `takers` are the operations there. `inputs` are the
    quantities that the reference's operations take. `error` is the relative RMSE before the exchange. `healed`: behind
    the exchange values of the reference were found that had not been. `relation` is what the candidate's value is to
    the reference's, where that can be said: a factor, a few places, another order. `output`: nothing follows, as the
    value is the candidate's output at that position. `numbers` are those of both values in the first programs, None
    where these do not run them.
    """

    number: int
    kind: str
    quantity: int
    key: int
    reference: tuple[Node, ...]
    candidate: tuple[Node, ...]
    takers: tuple[Node, ...]
    inputs: tuple[int, ...]
    error: float
    value: Pooled
    edges: tuple[Edge, ...] = ()
    healed: bool = True
    module: str = ""
    relation: str = ""
    quantities: frozenset[int] = frozenset()
    keys: frozenset[int] = frozenset()
    output: int | None = None
    numbers: tuple[int | None, int | None] = (None, None)


class Search:
    """Finds and mends departures for a walk."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.departures: list[Departure] = []
        self.trials = Trials(walk, self.departures)
        self.habits: set[tuple[object, ...]] = set()
        self.repeats = Repeats(walk)

    def mend(self, place: int, key: int) -> None:
        """Exchange until nothing is wrong before this value; what was exchanged before is so at once."""
        while not self.walk.status[key].settled and self._repeated(place, key):
            pass
        while self.walk.astray(key):
            if not self._repeated(place, key) and self._mend_one(place, key, float("inf")) is None:
                self._give_up(key)

    def _repeated(self, place: int, key: int) -> bool:
        """Make an exchange that was right before at the next place of the same operations, if it mends anything."""
        for exchange in self.repeats.exchanges(key):
            outcome = self.trials.tried(exchange, place, key)
            if outcome is not None and self._accept(exchange, outcome, place, key):
                return True
        return False

    def mend_output(self, position: int) -> None:
        """Where the candidate gives a value that is right in itself, but is not this output of the reference."""
        walk = self.walk
        outputs, key = walk.reference.runs.outputs, walk.candidate.outputs[position]
        if len(outputs) != len(walk.candidate.outputs) or walk.output_equal(position):
            return
        quantity = walk.reference.of.get(outputs[position])
        if quantity is None or not walk.status[key].settled:
            return
        missing = quantity not in walk.seen
        inside = frozenset(walk.reference.cone(quantity, walk.seen)[0] if missing else ())
        made = walk.back(key) if missing else frozenset()
        kind = "differs" if made else "missing" if missing else "operand"
        move = Move(kind, quantity, key, (), inside, made)
        row = (
            next(iter(options(walk, move)), ())
            if sizes(walk.reference.values[quantity]) == sizes(walk.values[key])
            else ()
        )
        if not (made and row):
            self._note(move, row, Overlay({key: walk.values[key]}), False)
            return
        value = walk.reference_value(quantity, row, walk.values[key])
        follows = walk.status[key].follows | {len(self.departures)}
        status = Status(quantity, row, 0.0, True, 0, 0, frozenset({quantity}), follows)
        overlay = Overlay({key: value}, {key: status})
        self._note(move, row, overlay, False)
        walk.commit(overlay)

    def mend_modules(self) -> None:
        """Results of modules that take a weight and are not found, though nothing behind them is wrong.

        What takes the same weight and the same values is the counterpart, and departs. Its difference is lost behind,
        as that of a bias of attention's keys is in the softmax.
        """
        walk = self.walk
        runs = walk.reference.runs
        takers: dict[int, list[int]] = {}
        for place, step in enumerate(walk.candidate.steps):
            for weight in {weight for one in step.inputs for weight in walk.anchors.same.get(one, ())}:
                takers.setdefault(weight, []).append(place)
        for key in runs.taps.values():
            quantity = walk.reference.of.get(key)
            if quantity is None or quantity in walk.seen or quantity not in walk.reference.made:
                continue
            inside, border = walk.reference.cone(quantity, walk.seen)
            if len(inside) > _INSIDE or not informative(walk.reference.values[quantity]):
                continue
            weights = [one for one in runs.steps[walk.reference.made[quantity]].inputs if one not in runs.dynamic]
            places = sorted({place for weight in weights for place in takers.get(weight, ())})
            self._mend_module(list(self._counterparts(quantity, inside, border, places)))

    def _counterparts(self, quantity: int, inside: set[int], border: set[int], places: Sequence[int]) -> Iterator[Move]:
        """Results of steps that take the same weight, made of the same found values, and of what takes them."""
        walk = self.walk
        steps, users = walk.candidate.steps, walk.candidate.users
        for place in places:
            made_of = frozenset().union(*(walk.status[one].made_of for one in steps[place].inputs))
            if not made_of or not made_of <= border:
                continue
            near, last = {place}, {place}
            for _ in range(_BEHIND):
                last = {user for one in last for made in steps[one].outputs for user in users.get(made, ())}
                near |= {one for one in last if not all(walk.status[made].settled for made in steps[one].outputs)}
            for made in sorted({made for one in near for made in steps[one].outputs}):
                if not walk.status[made].settled and sizes(walk.values[made]) == sizes(walk.reference.values[quantity]):
                    cone = candidate_cones(walk, made)[made]
                    yield Move("differs", quantity, made, (), frozenset(inside), cone)

    def _mend_module(self, moves: Sequence[Move]) -> None:
        closest = None
        for move in moves:
            for row in self.trials.options(move)[:1]:
                error = self.trials.error(move, row, (0,))
                if closest is None or error < closest[0]:
                    closest = error, move, row
        if closest is None:
            return
        _, move, row = closest
        exchange = Exchange((move,), 0.0)
        overlay = self.trials.exchanged(exchange, (row,), len(self.walk.candidate.steps), self.walk.lengths)
        broken = any(self.walk.status[key].settled and not status.settled for key, status in overlay.status.items())
        if not broken:
            self._note(move, row, overlay, True)
            self.walk.commit(overlay)

    def _mend_one(self, place: int, key: int, budget: float) -> float | None:
        """Make the best exchange, if one within the budget mends anything; gives what was spent.

        An exchange that mends a part is the first of several departures, or a coincidence. Such an exchange is kept
        where the departures that it leaves are found, and all together cost less than one exchange that mends
        everything. What is exchanged again, at the next step of a loop, costs nothing more.
        """
        first: tuple[Exchange, Outcome] | None = None
        whole: tuple[Exchange, Outcome] | None = None
        least = float("inf")
        for exchange in islice([] if self.trials.spent else exchanges(self.walk, key, self.habits), _TRIALS):
            if self.trials.spent:
                break
            if exchange.cost > budget or exchange.cost > least + _REACH:
                if exchange.known:
                    continue
                break
            outcome = self.trials.tried(exchange, place, key)
            if outcome is None:
                continue
            if exchange.known and self._accept(exchange, outcome, place, key):
                return 0.0
            if outcome.healed:
                if not self._holds(exchange, outcome, place, key):
                    continue
                whole = exchange, outcome
                break
            if first is None or self.trials.score(exchange, outcome) < self.trials.score(*first):
                first = exchange, outcome
            least = min(least, exchange.cost)
        if first is not None:
            before = self.walk.snapshot(), len(self.departures), set(self.habits), self.repeats.snapshot()
            spent = first[0].cost
            if self._accept(*first, place, key):
                limit = budget if whole is None else whole[0].cost
                while whole is not None and spent < limit and self.walk.astray(key):
                    if self._repeated(place, key):
                        continue
                    more = self._mend_one(place, key, limit - spent)
                    if more is None:
                        break
                    spent += more
                right = not self.walk.astray(key) and not self.trials.elsewhere(key, self.walk.status[key].quantity)
                if whole is None or (spent < limit and right):
                    return spent
                self.walk.restore(before[0])
                del self.departures[before[1] :]
                self.habits = before[2]
                self.repeats.restore(before[3])
        if whole is not None and self._accept(*whole, place, key):
            return whole[0].cost
        return None

    def _holds(self, exchange: Exchange, outcome: Outcome, place: int, key: int) -> bool:
        """What the exchange mends at the first length it mends at all: few numbers may be right at one by chance."""
        overlay = self.trials.exchanged(exchange, outcome.arrangements, place, self.walk.lengths)
        again = self.trials.judge(exchange, outcome.arrangements, overlay, key)
        return again is not None and again.healed

    def _accept(self, exchange: Exchange, outcome: Outcome, place: int, key: int) -> bool:
        """Exchange at all lengths, if it mends there what it mends at the first."""
        exchange, outcome = self.trials.fewest_uses(exchange, outcome, place, key)
        exchange, outcome = self._at_counterpart(exchange, outcome, place, key)
        static = exchange.moves[0].static(self.walk)
        if not exchange.known and not static and self._split(exchange, outcome, place):
            return True
        overlay = self.trials.exchanged(exchange, outcome.arrangements, place, self.walk.lengths)
        again = self.trials.judge(exchange, outcome.arrangements, overlay, key)
        if again is None or again.healed < outcome.healed:
            return False
        for move, row in zip(exchange.moves, outcome.arrangements, strict=True):
            self._note(move, row, overlay, again.found > 0)
        if len(exchange.moves) == 1 and not static:
            self._note_order(exchange.moves[0], outcome.arrangements[0], overlay)
        self.walk.commit(overlay)
        return True

    def _at_counterpart(self, exchange: Exchange, outcome: Outcome, place: int, key: int) -> tuple[Exchange, Outcome]:
        """What seems missing is done by the operation before or behind, if that leaves the value as it is.

        A mask that is off by one lets through what the reference's has masked before, and a limit that is too low
        limits nothing: nothing is missing.
        """
        move = exchange.moves[0]
        if len(exchange.moves) > 1 or move.kind != "missing" or move.apart:
            return exchange, outcome
        there = self._idle(move) or self._taker(move, exchange, outcome, place)
        if there is None:
            return exchange, outcome
        instead = replace(exchange, moves=(there,))
        again = self.trials.tried(instead, place, key)
        return (exchange, outcome) if again is None or again.healed < outcome.healed else (instead, again)

    def _idle(self, move: Move) -> Move | None:
        """The value before is made by an operation of that name, which left what it takes as it is: it differs."""
        walk = self.walk
        maker, ours = walk.candidate.makers.get(move.key), walk.reference.made.get(move.quantity)
        if maker is None or ours is None:
            return None
        step, other = walk.candidate.steps[maker], walk.reference.runs.steps[ours]
        own = walk.status[move.key].quantity
        if plain(step.node.operation) != plain(other.node.operation):
            return None
        if own not in {walk.status[taken].quantity for taken in step.inputs}:
            return None
        made = [candidate_cones(walk, taken)[taken] for taken in unsettled(walk, maker)]
        inside = frozenset({move.key}).union(*made)
        return Move("differs", move.quantity, move.key, (), move.reference, inside)

    def _taker(self, move: Move, exchange: Exchange, outcome: Outcome, place: int) -> Move | None:
        """The operation that takes the value leaves it as it is, and gives the quantity where it takes the quantity."""
        walk = self.walk
        takers = {taker for taker, _ in move.edges}
        if len(takers) != 1:
            return None
        made = walk.candidate.steps[takers.pop()].outputs[0]
        status = self.trials.exchanged(exchange, outcome.arrangements, place, (0,)).status.get(made)
        if walk.status[made].settled or status is None or status.quantity != move.quantity:
            return None
        return Move("differs", move.quantity, made, (), move.reference, walk.back(made))

    def _split(self, exchange: Exchange, outcome: Outcome, place: int) -> bool:
        """Make an exchange before this one, where two departures stand one directly behind the other.

        Nothing is found between the two, so the first is told by its size. Either a value before is the counterpart of
        a quantity before within a small error, or the quantity in its place removes most of the error behind, not all.
        """
        walk = self.walk
        move = exchange.moves[0]
        if (
            len(exchange.moves) > 1
            or move.entry
            or move.kind != "differs"
            or len(move.reference) + len(move.candidate) < 3
        ):
            return False
        truth, row = walk.reference.values[move.quantity][0], outcome.arrangements[0][0]
        error = self.trials.error(move, outcome.arrangements[0], (0,))

        def left(parts: Sequence[tuple[Move, tuple[Arrangement, ...]]]) -> float:
            both = Exchange(tuple(part for part, _ in parts), 0.0)
            overlay = self.trials.exchanged(both, tuple(rows for _, rows in parts), place, (0,))
            value = overlay.values.get(move.key, (None,))[0]
            assert truth is not None
            return 0.0 if value is None else relative_error(value, row.apply(truth, value.shape))

        likely: list[tuple[float, int, Move, tuple[Arrangement, ...]]] = []
        for part in self._parts(move):
            rows = self.trials.options(part)[:1]
            own = self.trials.error(part, rows[0], (0,)) if rows else LIKE
            if own >= LIKE:
                continue
            likely.append((own, len(likely), part, rows[0]))
            if (behind := left([(part, rows[0])])) <= BOUND:
                continue
            near = part.kind == "differs" and own < min(NEAR, error / 10)
            if near or (part.key != move.key and behind < error / 10):
                self._before([(part, rows[0])], place)
                return True
        nearest = [(part, rows) for _, _, part, rows in sorted(likely) if part.kind == "differs"][:_PAIRED]
        for one, other in combinations(nearest, 2):
            if one[0].candidate.isdisjoint(other[0].candidate) and one[0].quantity != other[0].quantity:
                if move.key not in (one[0].key, other[0].key) and BOUND < left([one, other]) < error / 10:
                    self._before([one, other], place)
                    return True
        return False

    def _before(self, parts: Sequence[tuple[Move, tuple[Arrangement, ...]]], place: int) -> None:
        """Make an exchange behind which nothing is found yet."""
        exchange = Exchange(tuple(part for part, _ in parts), 0.0)
        overlay = self.trials.exchanged(exchange, tuple(rows for _, rows in parts), place, self.walk.lengths)
        for part, rows in parts:
            self._note(part, rows, overlay, False)
        self.walk.commit(overlay)

    def _parts(self, move: Move) -> Iterator[Move]:
        """Exchanges of what lies before a value that is exchanged."""
        walk = self.walk
        for key in sorted(move.candidate):
            made_of, cone = walk.status[key].made_of, candidate_cones(walk, key)[key]
            for quantity in sorted(move.reference - {move.quantity}):
                made, border = walk.reference.cone(quantity, walk.seen)
                if (
                    sizes(walk.reference.values[quantity]) == sizes(walk.values[key])
                    and walk.reference.grounds(border, walk.seen) & made_of
                ):
                    yield Move("differs", quantity, key, (), frozenset(made), cone)
            for quantity in sorted(made_of) if key != move.key else ():
                if sizes(walk.reference.values[quantity]) == sizes(walk.values[key]):
                    yield Move("extra", quantity, key, (), frozenset(), cone)

    def _note_order(self, move: Move, row: tuple[Arrangement, ...], overlay: Overlay) -> None:
        """Note the axes of an exchanged value, or of one behind which operations are missing, that are out of order."""
        own, values = self.walk.status[move.key], self.walk.reference.values
        if move.kind == "differs":
            closest = self.trials.options(move)[0]
            if closest != row and self.trials.error(move, closest, (0,)) < min(
                NEAR, self.trials.error(move, row, (0,)) / 10
            ):
                self.departures[-1].error = self.trials.error(move, closest, self.walk.lengths)
                self._note(Move("order", move.quantity, move.key), row, overlay, True)
        elif move.kind == "missing" and own.quantity is not None and own.arrangements != row:
            shapes = [[array.shape for array in values[q] if array is not None] for q in (own.quantity, move.quantity)]
            if shapes[0] == shapes[1]:
                self._note(Move("order", own.quantity, move.key, move.edges), row, overlay, True)

    def _note(self, move: Move, row: tuple[Arrangement, ...], overlay: Overlay, healed: bool) -> None:
        walk = self.walk
        runs, candidate = walk.reference.runs, walk.candidate
        number = len(self.departures)
        quantities, keys = move.reference, move.candidate
        if move.kind == "order":
            quantities, keys = self._origin(move.key)
        elif move.kind == "differs" and not move.static(walk) and move.origin is None:
            indices = self._indices(move)
            quantities, keys = quantities | indices[0], keys | indices[1]
        if move.origin is not None:
            ours = [runs.makers[move.origin]]
        else:
            ours = sorted({walk.reference.made[q] for q in quantities if q in walk.reference.made})
        theirs = sorted({candidate.makers[k] for k in keys if k in candidate.makers})
        made = walk.reference.made.get(move.quantity) if move.origin is None else ours[0]
        takers = sorted({place for place, _ in move.edges})
        if move.static(walk):
            ours, made = sorted({runs.makers[q] for q in quantities if q in runs.makers}), self._user(move.quantity)
            takers = [] if theirs else candidate.users.get(move.key, [])
        value = overlay.edges[move.edges[0]][0] if move.edges else overlay.values[move.key]
        border = set() if move.static(walk) else walk.reference.cone(move.quantity, walk.held(move.key))[1]
        self.departures.append(
            Departure(
                number,
                move.kind,
                move.quantity,
                move.key,
                tuple(runs.steps[place].node for place in ours),
                tuple(candidate.steps[place].node for place in theirs),
                tuple(candidate.steps[place].node for place in takers),
                tuple(sorted(border)),
                self.trials.error(move, row, walk.lengths),
                value,
                move.edges,
                healed,
                "" if made is None else runs.steps[made].node.module,
                relation(walk.values[move.key], value) if move.kind != "missing" else "",
                move.reference if move.kind == "order" else quantities,
                move.candidate if move.kind == "order" else keys,
            )
        )
        if not move.static(walk):
            self.habits.add(mark(walk, move))
            self.repeats.note(move)
        if move.edges:
            walk.alternatives.setdefault(move.key, []).append((number, move.quantity))

    def _user(self, key: int) -> int | None:
        """The step of the reference that makes a value of constants alone, or else the first that takes it."""
        runs = self.walk.reference.runs
        places = [runs.makers[key]] if key in runs.makers else runs.users.get(key, [])
        return next(iter(places), None)

    def _indices(self, move: Move) -> tuple[frozenset[int], frozenset[int]]:
        """Indices and masks that the candidate takes in a departure, others than the reference, and what makes both."""
        walk = self.walk
        reference, candidate = walk.reference, walk.candidate
        ours = {one for q in move.reference for one in reference.parts.get(q, ()) if one in reference.neutral}
        made = [candidate.makers[k] for k in move.candidate if k in candidate.makers]
        taken = {one for place in made for one in candidate.steps[place].inputs}
        theirs = {one for one in taken if one in walk.neutral and one in candidate.dynamic}
        same = [(q, k) for q in ours for k in theirs if arranged(walk.values[k], reference.values[q]) is not None]
        ours -= {q for q, _ in same}
        theirs -= {k for _, k in same}
        if not theirs:
            return frozenset(), frozenset()
        return (
            frozenset[int]().union(*(reference.made_before(one, walk.seen) for one in ours)),
            frozenset[int]().union(*(walk.back(one) for one in theirs)),
        )

    def _origin(self, key: int) -> tuple[frozenset[int], frozenset[int]]:
        """Where axes came into the order in which this value has them: the quantity, and the value that it is."""
        key = laid_out_at(self.walk, key)
        quantity = self.walk.status[key].quantity
        return frozenset(() if quantity is None else (quantity,)), frozenset((key,))

    def _give_up(self, key: int) -> None:
        """No exchange mends it: the stretch is noted as it is, and the walk goes on behind it."""
        walk = self.walk
        cones = candidate_cones(walk, key)
        wanted = targets(walk, key)
        inside = {q for target in wanted for q in walk.reference.cone(target, walk.held(key))[0]}
        runs, candidate = walk.reference.runs, walk.candidate
        number = len(self.departures)
        self.departures.append(
            Departure(
                number,
                "differs",
                wanted[0] if wanted else -1,
                key,
                tuple(runs.steps[place].node for place in sorted({walk.reference.made[q] for q in inside})),
                tuple(candidate.steps[place].node for place in sorted({candidate.makers[k] for k in cones})),
                (),
                (),
                float("inf"),
                walk.values[key],
                healed=False,
                quantities=frozenset(inside),
                keys=frozenset(cones),
            )
        )
        overlay = Overlay({k: walk.values[k] for k in cones})
        for k in cones:
            known = walk.status[k]
            overlay.status[k] = replace(
                known, settled=True, age=0, depth=0, weights=frozenset(), follows=known.follows | {number}
            )
        walk.commit(overlay)
