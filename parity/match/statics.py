"""What does not depend on the inputs and differs: tables, and what is computed of them and of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from parity.match.values import Index, Pooled, Runs, arranged, distinct
from parity.match.weights import statics, telling

_MOST = 60
"""Exchanges of such values that are offered for one departure, at most."""


class Statics:
    """Values of either program that are made of constants alone, and which of them the other has."""

    def __init__(
        self, reference: Runs, candidate: Runs, ours: Mapping[int, Pooled], theirs: Mapping[int, Pooled]
    ) -> None:
        self.reference, self.candidate, self.ours = reference, candidate, ours
        self.kept, self.held = Index(), Index()
        for index, values in ((self.kept, statics(reference, ours)), (self.held, statics(candidate, theirs))):
            for key, pooled in values.items():
                index.add(key, pooled)
        self.looked_up: dict[tuple[bool, int], tuple[Pooled, bool]] = {}

    def pairs(
        self, values: Mapping[int, Pooled], theirs: Iterable[int], ours: Iterable[int]
    ) -> list[tuple[int, int, frozenset[int], frozenset[int]]]:
        """Of steps of both programs, what they take that the other does not have: the earliest values first.

        `values` are the candidate's, `theirs` and `ours` places. Each row has a value of the reference and one of the
        candidate with as many numbers. For both it has the values before that the other does not have either; the
        reference has none of them where the candidate's value is made of the reference's.
        """
        here = self._before(self.candidate, values, self.held_by_reference, _taken(self.candidate, theirs))
        there = self._before(self.reference, self.ours, self.held_by_candidate, _taken(self.reference, ours))
        rows = []
        for key, cone in here.items():
            for one, made in [*there.items(), *self._made_of(key, values)]:
                if _sizes(self.ours[one]) == _sizes(values[key]):
                    rows.append((one, key, made, cone))
        return rows[:_MOST]

    def masks(
        self, values: Mapping[int, Pooled], theirs: Iterable[int], ours: Iterable[int]
    ) -> list[tuple[int, int, frozenset[int], frozenset[int]]]:
        """The same of masks, arrays of few different numbers: those of either program that the other does not have.

        An array of one number is no mask that could be told from others. Such an array can only be the counterpart of a
        mask: it lets everything through. A mask with its axes exchanged is another mask.
        """
        here, there = (
            _masks_before(runs, known, _taken(runs, places))
            for runs, known, places in ((self.candidate, values, theirs), (self.reference, self.ours, ours))
        )
        held = {one: any(_as_it_is(values[key], self.ours[one]) for key in here) for one in there}
        rows = []
        for key, cone in here.items():
            pooled, several = values[key], distinct(values[key]) > 1
            if several and any(_as_it_is(pooled, self.ours[one]) for one in there):
                continue
            for one, made in there.items():
                if (
                    _sizes(self.ours[one]) == _sizes(pooled)
                    and not held[one]
                    and (several or distinct(self.ours[one]) > 1)
                ):
                    rows.append((one, key, made, cone))
        return rows[:_MOST]

    def extra(
        self, values: Mapping[int, Pooled], theirs: Iterable[int], weights: Mapping[int, Sequence[int]]
    ) -> list[tuple[int, int, int, frozenset[int]]]:
        """What steps take that the reference does not have, made of one other such value by one operation.

        The candidate may hold a weight in a form of its own, scaled for example, so that no value of the reference can
        be put in place of what is made of the form: the form itself can. Each row has the reference's weight
        (`weights` has them by the candidate's values), the candidate's value, the one that it is made of, and the
        values before that the reference does not have.
        """
        here = self._before(self.candidate, values, self.held_by_reference, _taken(self.candidate, theirs))
        rows = []
        for key, cone in here.items():
            inputs = self.candidate.steps[self.candidate.makers[key]].inputs if key in self.candidate.makers else ()
            for taken in inputs:
                if taken in weights and telling(values[taken]) and _shapes(values[taken]) == _shapes(values[key]):
                    rows.append((weights[taken][0], key, taken, cone - here.get(taken, frozenset())))
        return rows[:_MOST]

    def follow(
        self, values: Mapping[int, Pooled], key: int, value: Pooled, lengths: Sequence[int]
    ) -> dict[int, Pooled]:
        """The value in place of the candidate's `key`, and what is made of it and constants alone."""
        changed = {key: value}
        places = list(self.candidate.users.get(key, ()))
        done: set[int] = set()
        while places:
            place = min(places)
            places.remove(place)
            step = self.candidate.steps[place]
            if place in done or self.candidate.dynamic.intersection(step.outputs):
                continue
            done.add(place)
            made = step.compute([changed.get(one, values[one]) for one in step.inputs], lengths)
            changed.update(zip(step.outputs, made, strict=True))
            places.extend(user for one in step.outputs for user in self.candidate.users.get(one, ()))
        return changed

    def _made_of(self, key: int, values: Mapping[int, Pooled]) -> Iterator[tuple[int, frozenset[int]]]:
        """Values of the reference that the candidate's step takes."""
        for taken in self.candidate.steps[self.candidate.makers[key]].inputs if key in self.candidate.makers else ():
            if telling(values[taken]) and (found := next(self.kept.find(values[taken]), None)) is not None:
                yield found[0], frozenset()

    def held_by_reference(self, key: int, pooled: Pooled) -> bool:
        """The candidate's value is one of the reference's."""
        return self._held(True, self.kept, key, pooled)

    def held_by_candidate(self, key: int, pooled: Pooled) -> bool:
        """The reference's value is one that the candidate had before any exchange."""
        return self._held(False, self.held, key, pooled)

    def _held(self, side: bool, index: Index, key: int, pooled: Pooled) -> bool:
        known = self.looked_up.get((side, key))
        if known is None or known[0] is not pooled:
            known = self.looked_up[side, key] = pooled, next(index.find(pooled), None) is not None
        return known[1]

    @staticmethod
    def _before(
        runs: Runs, values: Mapping[int, Pooled], held: Callable[[int, Pooled], bool], keys: Iterable[int]
    ) -> dict[int, frozenset[int]]:
        """Values among the keys and before them that the other program does not have, in running order."""
        seen: set[int] = set()
        left = list(keys)
        while left:
            key = left.pop()
            if key in seen or key in runs.dynamic or not telling(values[key]) or held(key, values[key]):
                continue
            seen.add(key)
            if key in runs.makers:
                left.extend(runs.steps[runs.makers[key]].inputs)
        return _cones(runs, seen)


def _masks_before(runs: Runs, values: Mapping[int, Pooled], keys: Iterable[int]) -> dict[int, frozenset[int]]:
    """Floating-point arrays of few different numbers among the keys and before them, in running order."""
    seen: set[int] = set()
    left = list(keys)
    while left:
        key = left.pop()
        if key in seen or key in runs.dynamic or telling(values[key]):
            continue
        seen.add(key)
        if key in runs.makers:
            left.extend(runs.steps[runs.makers[key]].inputs)
    cones = _cones(runs, seen)
    return {key: cone for key, cone in cones.items() if _mask(values[key])}


def _as_it_is(pooled: Pooled, other: Pooled) -> bool:
    """The two are equal, element by element in the order of their memory."""
    found = arranged(pooled, other)
    return found is not None and all(arrangement.plain for arrangement in found[0])


def _mask(pooled: Pooled) -> bool:
    return all(array is not None and array.dtype.kind == "f" and array.size > 1 for array in pooled)


def _cones(runs: Runs, keys: Iterable[int]) -> dict[int, frozenset[int]]:
    """Of each value itself and those of the others that it is made of, in running order."""
    cones: dict[int, frozenset[int]] = {}
    for key in sorted(keys, key=lambda one: (runs.makers.get(one, -1), one)):
        taken = runs.steps[runs.makers[key]].inputs if key in runs.makers else ()
        cones[key] = frozenset({key}).union(*(cones.get(one, frozenset()) for one in taken))
    return cones


def _sizes(pooled: Pooled) -> list[int]:
    return [-1 if array is None else array.size for array in pooled]


def _shapes(pooled: Pooled) -> list[tuple[int, ...] | None]:
    return [None if array is None else array.shape for array in pooled]


def _taken(runs: Runs, places: Iterable[int]) -> list[int]:
    return [key for place in places for key in runs.steps[place].inputs if key not in runs.dynamic]
