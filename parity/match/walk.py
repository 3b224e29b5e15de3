"""The candidate's program run once beside the reference's values, every departure mended where it is made.

A value that is equal to a quantity of the reference is found. A rewrite leaves some values that are not found, and is
found again behind them; a departure is not. How far a departure is followed is counted in operations that take a
weight. Behind `PATIENCE` of them, behind very many others, and at an output, what is wrong before is searched and
exchanged for the reference's value, and only what follows from the exchange is computed again.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np

from parity.exact.constants import half_ulp
from parity.match.arrangement import BOUND, EXACT, Arrangement, difference
from parity.match.constants import Unresolved, Use
from parity.match.entries import Entries, Place
from parity.match.quantities import Quantities
from parity.match.statics import Statics
from parity.match.values import Pooled, Runs, Step, arranged, closest, neutral, shape_pair
from parity.match.weights import Anchors

PATIENCE = 4
"""Operations with weights that a value not found is followed through before it is called a departure."""

_DEEP = 96
"""All operations that a value not found is followed through, where no weights are."""

_SOON = 24
"""All operations that a value not found is followed through before exchanges made before are looked at."""

_LONG = 4
"""So many times as many steps are followed in vain where they take the same weights."""

_MOST = 1e-2
"""An effect of rounded constants above this says nothing any more about what a value is."""


@dataclass(frozen=True)
class Status:
    """What is known of a value of the candidate.

    `quantity` is the reference's quantity that it is equal to, in `arrangements` at the lengths. `settled`: nothing is
    wrong with it. `age`: operations with weights since the last found value, those with one weight counted once, as a
    convolution may be a sum of many products and a recurrent layer many steps. `weights`: the reference's that were
    taken since. `depth`: all operations since. `made_of`: the found quantities next before it. `follows`: numbers of
    the departures that had to be mended before it. `rounded`: unresolved constants that it depends on since the last
    found value. `entry`: which entry it is of the quantity that it is made of.
    """

    quantity: int | None = None
    arrangements: tuple[Arrangement, ...] = ()
    error: float = 0.0
    settled: bool = False
    age: int = 0
    depth: int = 0
    made_of: frozenset[int] = frozenset()
    follows: frozenset[int] = frozenset()
    rounded: frozenset[int] = frozenset()
    weights: frozenset[int] = frozenset()
    entry: Place | None = None


Edge = tuple[int, int]
"""Place of a step and position of its input."""


@dataclass
class Overlay:
    """Values that an exchange changes, with what is known of them.

    `moved` are values computed anew from a rounded constant, by the constant and the way that it was moved; `uses` are
    values found within its effect.
    """

    values: dict[int, Pooled] = field(default_factory=dict)
    status: dict[int, Status] = field(default_factory=dict)
    edges: dict[Edge, tuple[Pooled, Status]] = field(default_factory=dict)
    moved: dict[tuple[int, bool], dict[int, Pooled]] = field(default_factory=dict)
    uses: list[tuple[int, Use]] = field(default_factory=list)


class Walk:
    """State of the pass: the candidate's values so far, after exchanges, and what is known of them."""

    def __init__(
        self,
        reference: Quantities,
        candidate: Runs,
        anchors: Anchors,
        values: Mapping[int, Pooled],
        unresolved: Sequence[Unresolved] = (),
    ) -> None:
        self.reference, self.candidate, self.anchors = reference, candidate, anchors
        self.values: dict[int, Pooled] = {key: v for key, v in values.items() if key not in candidate.dynamic}
        self.status: dict[int, Status] = {key: Status(settled=True) for key in self.values}
        self.unresolved = {one.key: one for one in unresolved}
        for key in self.unresolved:
            self.status[key] = Status(settled=True, rounded=frozenset({key}))
        for step in candidate.steps if unresolved else ():
            if not candidate.dynamic.intersection(step.outputs):
                depends = frozenset().union(*(self.status[key].rounded for key in step.inputs))
                self.status.update(dict.fromkeys(step.outputs, Status(settled=True, rounded=depends)))
        self.moved: dict[tuple[int, bool], dict[int, Pooled]] = {}
        self.statics = Statics(reference.runs, candidate, reference.values, self.values)
        self.entries = Entries(reference)
        self.neutral: set[int] = set()
        self.seen: dict[int, set[int]] = {}
        self.given: dict[int, set[Place]] = {}
        self.edges: dict[Edge, tuple[Pooled, Status]] = {}
        self.alternatives: dict[int, list[tuple[int, int]]] = {}
        self.arrangements: dict[tuple[tuple[int, ...], ...], dict[tuple[Arrangement, ...], None]] = {}
        self.takers = reference.takers({key for keys in anchors.same.values() for key in keys})
        self.lengths = tuple(candidate.lengths)
        for key in candidate.inputs:
            self.values[key] = candidate.given[key]
            self._enter(key, self._input(key))

    def pass_through(self, mend: Callable[[int, int], None]) -> None:
        """Evaluate every step; `mend` is called with a place and a key where a departure must lie before it.

        It is called sooner too, so that an exchange made before can be repeated while little is computed from it.
        """
        for place, step in enumerate(self.candidate.steps):
            if not self.candidate.dynamic.intersection(step.outputs):
                continue
            overlay = Overlay(moved=self.moved)
            self._evaluate(place, overlay, self.lengths)
            self.commit(overlay)
            for key in step.outputs:
                self._settle_output(key)
                if self.astray(key) or self.status[key].depth % _SOON == _SOON - 1:
                    mend(place, key)

    def held(self, key: int) -> Container[int]:
        """The quantities that are found, and those of which entries are that this value is made of.

        A quantity of which entries are missing that one before it has is not held: those are what is wrong.
        """
        apart = self.status[key].made_of - self.seen.keys()
        lacking = {
            one
            for one, other in permutations(apart, 2)
            if not self.given.get(other, set()) <= self.given.get(one, set()) and self.reference.made_from(one, [other])
        }
        return self.seen.keys() | apart - lacking if apart else self.seen

    def complete(self, quantity: int) -> bool:
        """The quantity is found, or each of its entries is."""
        given, first = self.given.get(quantity, set()), self.reference.values[quantity][0]
        counts = Counter(axis for axis, _ in given)
        return quantity in self.seen or any(first is not None and n == first.shape[axis] for axis, n in counts.items())

    def astray(self, key: int, status: Status | None = None) -> bool:
        """A departure lies before this value."""
        status = status or self.status[key]
        if status.settled:
            return False
        return key in self.candidate.outputs or status.age >= PATIENCE or status.depth >= _DEEP

    def output_equal(self, position: int) -> bool:
        """The candidate's output is the reference's at the same position, or, where it has others, any of them."""
        outputs, key = self.reference.runs.outputs, self.candidate.outputs[position]
        same = len(outputs) == len(self.candidate.outputs)
        quantity = self.status[key].quantity
        wanted = [outputs[position]] if same else list(outputs)
        if quantity is not None and quantity in {self.reference.of.get(one, one) for one in wanted}:
            return True
        return any(arranged(self.values[key], self.reference.values[one]) is not None for one in wanted)

    def _settle_output(self, key: int) -> None:
        """An output of fewer numbers than a quantity is found by is compared with the reference's output alone."""
        status, outputs = self.status[key], self.candidate.outputs
        if key in outputs and not status.settled and self.output_equal(outputs.index(key)):
            self._enter(key, replace(status, settled=True))

    def back(self, key: int) -> frozenset[int]:
        """The value and what it is made of, back to found values: of indices, which are never looked for."""
        seen: set[int] = set()
        left = [key]
        while left:
            one = left.pop()
            if one in seen or one not in self.candidate.dynamic or one not in self.candidate.makers:
                continue
            if self.status[one].quantity is None:
                seen.add(one)
                left.extend(self.candidate.steps[self.candidate.makers[one]].inputs)
        return frozenset(seen)

    def idle(self, key: int) -> int | None:
        """Of a value that is one of several which its operation takes, as a sum with a mask of zeros is: that one."""
        place, quantity = self.candidate.makers.get(key), self.status[key].quantity
        if place is None or quantity is None or len(inputs := self.candidate.steps[place].inputs) < 2:
            return None
        return next((one for one in inputs if self.status[one].quantity == quantity), None)

    def weights(self, step: Step) -> frozenset[int]:
        """Of a step the weights that the reference has too, by its keys."""
        return frozenset(one for key in step.inputs for one in self.anchors.same.get(key, ()))

    def propagate(
        self,
        changes: Mapping[int, tuple[Pooled, Status]],
        edges: Mapping[Edge, tuple[Pooled, Status]],
        until: int,
        lengths: Sequence[int],
        vain: int | None = None,
    ) -> Overlay:
        """What becomes of all values up to the place `until` when some are exchanged, each or at single uses.

        With `vain`, it ends after so many steps of which nothing is found. Those that take no more weights than the
        steps before them do not count: a convolution may be a sum of many products.
        """
        overlay = Overlay({k: v for k, (v, _) in changes.items()}, {k: s for k, (_, s) in changes.items()}, {**edges})
        left = [place for place, _ in edges]
        for key in changes:
            left.extend(self.candidate.users.get(key, ()))
        heapq.heapify(left)
        last, steps, vainly = -1, 0, 0
        weights = frozenset[int]()
        while left and (vain is None or (vainly < vain and steps < _LONG * vain)):
            place = heapq.heappop(left)
            if place == last or place > until:
                continue
            last, steps = place, steps + 1
            for key in self._evaluate(place, overlay, lengths, fixed=changes):
                for user in self.candidate.users.get(key, ()):
                    heapq.heappush(left, user)
            made = [overlay.status[key] for key in self.candidate.steps[place].outputs]
            taken = frozenset[int]().union(*(status.weights for status in made))
            vainly += not taken or not taken <= weights
            weights |= taken
            if any(status.quantity is not None for status in made):
                vain = None
        return overlay

    def commit(self, overlay: Overlay) -> None:
        """The values of an exchange become those of the pass."""
        self.edges.update(overlay.edges)
        for moved in self.moved.values():
            for key in overlay.values:
                moved.pop(key, None)
        for constant, use in overlay.uses:
            self.unresolved[constant].uses.append(use)
        for key, value in overlay.values.items():
            self.values[key] = value
            self._enter(key, overlay.status[key])
        for _, status in overlay.edges.values():
            if status.quantity is not None:
                self.seen.setdefault(status.quantity, set()).add(-1)

    def snapshot(self) -> tuple[object, ...]:
        """The state, for `restore`."""
        seen = {quantity: set(keys) for quantity, keys in self.seen.items()}
        alternatives = {key: list(rows) for key, rows in self.alternatives.items()}
        given = {quantity: set(places) for quantity, places in self.given.items()}
        return dict(self.values), dict(self.status), seen, dict(self.edges), alternatives, given

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take back all exchanges since the snapshot."""
        self.values, self.status, self.seen, self.edges, self.alternatives, self.given = snapshot
        self.moved.clear()

    def reference_value(self, quantity: int, arrangements: Sequence[Arrangement], like: Pooled) -> Pooled:
        """The quantity as the candidate holds it, at the lengths at which `like` is there."""
        return laid_out(self.reference.values[quantity], arrangements, like)

    def _enter(self, key: int, status: Status) -> None:
        before = self.status.get(key)
        if before is not None and before.quantity is not None:
            self.seen[before.quantity].discard(key)
            if not self.seen[before.quantity]:
                del self.seen[before.quantity]
        self.status[key] = status
        if status.entry is not None:
            for one in status.made_of:
                self.given.setdefault(one, set()).add(status.entry)
        if status.quantity is not None:
            self.seen.setdefault(status.quantity, set()).add(key)
            if status.arrangements:
                shapes = shape_pair(self.reference.values[status.quantity], self.values[key])
                self.arrangements.setdefault(shapes, {})[status.arrangements] = None

    def _input(self, key: int) -> Status:
        for theirs in self.reference.runs.inputs:
            found = arranged(self.values[key], self.reference.values[theirs])
            if found is not None:
                quantity = self.reference.of[theirs]
                return Status(quantity, found[0], found[1], True, 0, 0, frozenset({quantity}))
        return Status(settled=True)

    def _evaluate(
        self,
        place: int,
        overlay: Overlay,
        lengths: Sequence[int],
        fixed: Mapping[int, object] | None = None,
        alternatives: bool = True,
    ) -> list[int]:
        """Compute a step within an overlay; gives the keys whose values others must be computed from again."""
        step = self.candidate.steps[place]
        taken, known = [], []
        for position, key in enumerate(step.inputs):
            value, status = self._taken(overlay, (place, position), key)
            taken.append(value)
            known.append(status)
        weights, before = self.weights(step), frozenset[int]().union(*(s.weights for s in known))
        base = Status(
            age=max((s.age for s in known), default=0) + (not weights <= before),
            depth=max((s.depth for s in known), default=0) + 1,
            made_of=frozenset().union(*(s.made_of for s in known)),
            follows=_together([s.follows for s in known]),
            rounded=frozenset().union(*(s.rounded for s in known)),
            weights=before | weights,
        )
        changed = []
        for key, pooled in zip(step.outputs, step.compute(taken, lengths), strict=True):
            if fixed is not None and key in fixed:
                continue
            earlier = self.status.get(key)
            if earlier is None and neutral(pooled):
                self.neutral.add(key)
            value, status = self.settle(key, pooled, base, lengths)
            if base.rounded and not status.settled:
                value, status = self._rounded(place, key, pooled, base, overlay, lengths)
            overlay.values[key], overlay.status[key] = value, status
            if fixed is None or earlier is None or status.quantity is None or status.quantity != earlier.quantity:
                changed.append(key)
        if alternatives and not all(overlay.status[key].settled for key in step.outputs):
            self._alternative(place, overlay, lengths, fixed)
        return changed

    def _taken(self, overlay: Overlay, edge: Edge, key: int) -> tuple[Pooled, Status]:
        """What a step takes at one of its inputs, and what is known of it."""
        if (exchanged := overlay.edges.get(edge) or self.edges.get(edge)) is not None:
            return exchanged
        values = overlay.values if key in overlay.values else self.values
        return values[key], (overlay.status if key in overlay.status else self.status)[key]

    def _rounded(
        self, place: int, key: int, pooled: Pooled, base: Status, overlay: Overlay, lengths: Sequence[int]
    ) -> tuple[Pooled, Status]:
        """A value within the effect that half an ulp of unresolved constants has on it is found, and put right.

        The effect is measured where a quantity is anywhere near, for that takes the steps from the constant on twice.
        """
        if not self._near(pooled[lengths[0]], BOUND + _MOST):
            return pooled, base
        effect = sum(self._effect(constant, place, key, pooled, overlay, lengths) for constant in base.rounded)
        hit = self._look_up(pooled, base, lengths, BOUND + effect) if 0 < effect < _MOST else None
        if hit is None:
            return pooled, base
        quantity, arrangements, error = hit
        overlay.uses.extend((constant, Use(quantity, key, error)) for constant in base.rounded)
        value = self.reference_value(quantity, arrangements, pooled)
        return value, Status(quantity, arrangements, error, True, 0, 0, frozenset({quantity}), base.follows)

    def _near(self, array: np.ndarray | None, bound: float) -> bool:
        """Whether any quantity may be this value in some arrangement, by its moments alone."""
        indices = self.reference.index, self.reference.small
        return array is not None and any(True for index in indices for _ in index.near(array, bound))

    def _effect(
        self, constant: int, place: int, key: int, pooled: Pooled, overlay: Overlay, lengths: Sequence[int]
    ) -> float:
        """Largest change of a value, in units of its RMS, with a constant moved by half an ulp: up, and at random."""
        largest, step = 0.0, self.candidate.steps[place]
        for up in (True, False):
            moved = self._moved(constant, up, place, overlay, lengths)
            made = step.compute(self._arrays(place, moved, overlay), lengths)[step.outputs.index(key)]
            for array, other in zip(pooled, made, strict=True):
                if array is not None and other is not None:
                    largest = max(largest, difference(other, array))
        return largest

    def _moved(
        self, constant: int, up: bool, place: int, overlay: Overlay, lengths: Sequence[int]
    ) -> Mapping[int, Pooled]:
        """What a step takes, computed from a moved constant, back to found values. What was computed so is kept."""
        moved = overlay.moved.setdefault((constant, up), {constant: self._shifted(constant, up)})
        left = [place]
        while left:
            step = self.candidate.steps[left[-1]]
            waiting = [
                self.candidate.makers[key]
                for position, key in enumerate(step.inputs)
                if key not in moved and self._depends(overlay, (left[-1], position), key, constant)
            ]
            if waiting:
                left.extend(waiting)
                continue
            done = left.pop()
            if left and not moved.keys() >= set(step.outputs):
                made = step.compute(self._arrays(done, moved, overlay), lengths)
                moved.update(zip(step.outputs, made, strict=True))
        return moved

    def _arrays(self, place: int, moved: Mapping[int, Pooled], overlay: Overlay) -> list[Pooled]:
        """What a step takes: what was moved, where no exchange is at its use, and else the values themselves."""
        exchanged = overlay.edges.keys() | self.edges.keys()
        return [
            moved[key]
            if key in moved and (place, position) not in exchanged
            else self._taken(overlay, (place, position), key)[0]
            for position, key in enumerate(self.candidate.steps[place].inputs)
        ]

    def _shifted(self, constant: int, up: bool) -> Pooled:
        """The constant half an ulp up, or at random up and down."""
        signs = np.random.default_rng(0)
        arrays = []
        for array in self.values[constant]:
            if array is not None:
                way = 1.0 if up else signs.choice([-1.0, 1.0], array.shape)
                array = array + way * half_ulp(array, self.unresolved[constant].dtype)
            arrays.append(array)
        return tuple(arrays)

    def _depends(self, overlay: Overlay, edge: Edge, key: int, constant: int) -> bool:
        """What a step takes is made of the constant, and nothing on the way is found or exchanged."""
        _, status = self._taken(overlay, edge, key)
        return key in self.candidate.makers and constant in status.rounded and status.quantity is None

    def settle(self, key: int, pooled: Pooled, base: Status, lengths: Sequence[int]) -> tuple[Pooled, Status]:
        """What a computed value is, and the value that the pass goes on with."""
        if any(pooled[length] is None for length in lengths) or key in self.neutral:
            return pooled, replace(base, settled=True, age=0, depth=0, weights=frozenset())
        found = self._look_up(pooled, base, lengths)
        if found is None:
            apart, entry = self._apart(pooled, base, lengths)
            return pooled, replace(
                base, settled=True, age=0, depth=0, made_of=apart, weights=frozenset(), entry=entry
            ) if apart else base
        quantity, arrangements, error = found
        if error > EXACT:  # so that no error grows on the way
            pooled = self.reference_value(quantity, arrangements, pooled)
        return pooled, Status(quantity, arrangements, error, True, 0, 0, frozenset({quantity}), base.follows)

    def _look_up(
        self, pooled: Pooled, base: Status, lengths: Sequence[int], bound: float = BOUND
    ) -> tuple[int, tuple[Arrangement, ...], float] | None:
        hit = closest(self.reference.index.find(pooled, bound, lengths))
        if hit is not None or not base.made_of:
            return hit
        few = self.reference.small.find(pooled, bound, lengths)
        return closest(hit for hit in few if self.reference.made_from(hit[0], base.made_of))

    def _apart(self, pooled: Pooled, base: Status, lengths: Sequence[int]) -> tuple[frozenset[int], Place | None]:
        """Quantities that are the entries of this value, or the one of which it is an entry; none if empty."""
        if not base.made_of:
            return frozenset(), None
        there = tuple(lengths)
        if around := self.entries.around(pooled, base.made_of, there, self.seen):
            return frozenset({around[0]}), around[1]
        return self.entries.inside(pooled, base.made_of, there, self.seen), None

    def _alternative(
        self, place: int, overlay: Overlay, lengths: Sequence[int], fixed: Mapping[int, object] | None
    ) -> None:
        """Where a value was exchanged at some uses, a later use that is not found may need the same."""
        step = self.candidate.steps[place]
        for position, key in enumerate(step.inputs):
            if (place, position) in self.edges or (place, position) in overlay.edges:
                continue
            for departure, quantity in self.alternatives.get(key, ()):
                before = self.status[key]
                shapes = shape_pair(self.reference.values[quantity], self.values[key])
                for arrangements in list(self.arrangements.get(shapes, ())):
                    value = self.reference_value(quantity, arrangements, self.values[key])
                    follows = before.follows | {departure}
                    status = Status(quantity, arrangements, 0.0, True, 0, 0, frozenset({quantity}), follows)
                    other = Overlay(dict(overlay.values), dict(overlay.status), dict(overlay.edges))
                    other.edges[place, position] = value, status
                    self._evaluate(place, other, lengths, fixed, alternatives=False)
                    if all(other.status[made].settled for made in step.outputs):
                        overlay.values, overlay.status, overlay.edges = other.values, other.status, other.edges
                        return


def laid_out(values: Pooled, arrangements: Sequence[Arrangement], like: Pooled) -> Pooled:
    """The reference's values as the candidate holds them, at the lengths at which `like` is there."""
    arrays = []
    for array, truth, arrangement in zip(like, values, arrangements, strict=False):
        arrays.append(None if array is None or truth is None else arrangement.apply(truth, array.shape))
    return tuple(arrays) + (None,) * (len(like) - len(arrays))


def _together(sets: Sequence[frozenset[int]]) -> frozenset[int]:
    """The union; one of the sets itself where that has all, as many values follow from the same departures."""
    largest = max(sets, key=len, default=frozenset[int]())
    return largest if all(one <= largest for one in sets) else largest.union(*sets)
