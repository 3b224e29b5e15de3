"""Which module of the candidate is which module of the reference, by value: what a contract's taps are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np

from parity.exact.program import Program, evaluate
from parity.match.arrangement import find, relative_error
from parity.match.matching import Matching
from parity.match.taps import VALUE
from parity.match.weights import telling

MODULE, GRAPH, WEIGHTS, NOTHING = "module", "graph", "weights", "nothing"
"""How a module of the reference was found: as a module, as a value that no module gives, by its weights alone, or not
at all."""

Order = tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """A call of a module of the reference, and how it was found in the candidate.

    `module` is the candidate's path, and `order` the reference's axes in the order in which it has them. `error` is the
    largest in RMS of the reference's, over all sets of inputs. `shapes` are the reference's, one for each set.
    `evidence` says in words what it rests on, and `follows` has the numbers of the departures that lie before it.
    """

    tap: str
    how: str
    evidence: str
    module: str = ""
    order: Order = ()
    error: float = float("nan")
    shapes: tuple[tuple[int, ...], ...] = ()
    follows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Output:
    """An output of the candidate: the place of the reference's that it is, None for none, and the order of its axes."""

    place: int | None
    order: Order = ()
    follows: tuple[int, ...] = ()


class Finder:
    """Looks up the modules of two programs, each recorded on the same sets of inputs, in what `match` found.

    `modules` are the paths of the reference's modules.
    """

    def __init__(
        self,
        matching: Matching,
        programs: tuple[Sequence[Program], Sequence[Program]],
        inputs: tuple[Sequence[Sequence[np.ndarray]], Sequence[Sequence[np.ndarray]]],
        modules: Collection[str],
    ):
        self.matching, self.modules = matching, modules
        (self.ours, *_), (self.theirs, *_) = programs
        self.programs = programs
        self.values = [
            [evaluate(program, given, keep=False) for program, given in zip(*side, strict=True)]
            for side in zip(programs, inputs, strict=True)
        ]
        self.pairs: dict[int, list[int]] = {}
        self.follows: dict[int, tuple[int, ...]] = {}
        for pair in matching.pairs:
            self.pairs.setdefault(pair.reference, []).append(pair.candidate)
            self.follows[pair.candidate] = pair.follows
        self.places = {number: place for place, node in enumerate(self.theirs.nodes) for number in node.outputs}
        self.named = _first_results(self.theirs.taps)

    def find(self) -> list[Found]:
        """Every module of the reference that gives an array, in the order in which they return."""
        groups: dict[tuple[int, ...], list[str]] = {}
        for tap in self._taps():
            if numbers := self._numbers(tap):
                groups.setdefault(numbers, []).append(tap)
        pairs = {tap: there for numbers, taps in groups.items() for tap, there in self._paired(numbers, taps)}
        self.partners = {tap: there for tap, there in pairs.items() if self._alike(tap, pairs)}
        return [self._found(tap, pairs.get(tap, "")) for tap in self._taps()]

    @property
    def unordered(self) -> bool:
        """The candidate runs some of the modules that were found in another order."""
        order = {name: place for place, name in enumerate(self.named)}
        places = [order[there] for there in self.partners.values()]
        return places != sorted(places)

    def left(self, found: Sequence[Found]) -> list[str]:
        """The modules of the candidate that are none of the reference's."""
        taken = {one.module for one in found}
        return [path for path in dict.fromkeys(map(_module, self.named)) if path not in taken]

    def outputs(self) -> list[Output]:
        """Of each output of the candidate, which of the reference's it is."""
        made, free = list[Output](), list(range(len(self.ours.outputs)))
        for number in self.theirs.outputs:
            same = [place for place in free if number in self.pairs.get(self._quantity(self.ours.outputs[place]), ())]
            place = next(iter(same), None)
            if place is None and len(self.theirs.outputs) == len(self.ours.outputs):
                beside = len(made)
                place = beside if beside in free and self._order(beside, number, outputs=True)[0] else None
            if place is None:
                made.append(Output(None))
                continue
            free.remove(place)
            order, _ = self._order(place, number, outputs=True)
            made.append(Output(place if order else None, order, self.follows.get(number, ())))
        return made

    def _taps(self) -> Iterator[str]:
        return (tap for tap in self.ours.taps if _module(tap) in self.modules and "." not in tap.partition("#")[2])

    def _alike(self, tap: str, pairs: Mapping[str, str]) -> bool:
        """The module is called as often as its partner, each call with the same partner's: one path names both."""
        module, there = _module(tap), _module(pairs[tap])
        calls = [one for one in self._taps() if _module(one) == module]
        want = [f"{there}{one[len(module) :]}" for one in calls]
        return [pairs.get(one) for one in calls] == want and sum(_module(one) == there for one in self.named) == len(
            want
        )

    def _quantity(self, number: int) -> int:
        """The number under which the value is paired: that of the first value that equals it."""
        if number in self.pairs:
            return number
        for name, pair in self.matching.taps.items():
            if self.ours.taps[name] == number:
                return pair.reference
        return number

    def _numbers(self, tap: str) -> tuple[int, ...]:
        """The candidate's values that are this one."""
        pair = self.matching.taps.get(tap)
        if pair is None or pair.how != VALUE:
            return ()
        return tuple(dict.fromkeys([*self.pairs.get(pair.reference, ()), pair.candidate]))

    def _paired(self, numbers: tuple[int, ...], taps: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Modules of one value, in the order in which they return: those of one name first, the others in turn."""
        there = [path for path, number in self.named.items() if number in numbers]
        same = [tap for tap in taps if tap in there]
        yield from zip(same, same, strict=True)
        left = [path for path in there if path not in same]
        for place, tap in enumerate(tap for tap in taps if tap not in same):
            if left or there:
                yield tap, left[min(place, len(left) - 1)] if left else there[-1]

    def _found(self, tap: str, there: str) -> Found:
        shapes = tuple(
            values[program.taps[tap]].shape for program, values in zip(self.programs[0], self.values[0], strict=True)
        )
        name = declared(tap)
        pair = self.matching.taps.get(tap)
        if pair is None:
            return self._by_weights(tap, shapes)
        what = pair.how
        if there:
            number = self.named[there]
            order, error = self._order(tap, number)
            follows = self.follows.get(number, pair.follows)
            if tap in self.partners and (order or not shapes[0]):
                said = self._evidence(number, error, follows)
                return Found(name, MODULE, said, _module(there), order, error, shapes, follows)
            what = f"in another shape, {self.values[1][0][number].shape} for {shapes[0]}: {there}"
            if tap not in self.partners:
                what = f"in another call, {there}, of a module that is not called as often or in the same turn"
        said = self._evidence(pair.candidate, pair.error, pair.follows)
        text = f"found in the graph {what}, no module to capture: {said}"
        return Found(name, GRAPH, text, shapes=shapes, follows=pair.follows)

    def _evidence(self, number: int, error: float, follows: Collection[int]) -> str:
        place = self.places.get(number)
        made = f"node {place}, {self.theirs.nodes[place].operation}" if place is not None else "an input"
        sets = len(self.programs[0])
        behind = f", behind departure {', '.join(str(one + 1) for one in follows)}" if follows else ""
        return f"{made}; off by {error:.0e} over {sets} set{'s' * (sets > 1)} of inputs{behind}"

    def _order(self, tap: str | int, number: int, outputs: bool = False) -> tuple[Order, float]:
        """The order of axes in which the two are nearest, over all sets; empty where no order has the shape."""
        rows = []
        for place in range(len(self.programs[0])):
            ours, theirs = self.programs[0][place], self.programs[1][place]
            one = ours.outputs[int(tap)] if outputs else ours.taps[str(tap)]
            other = theirs.outputs[self.theirs.outputs.index(number)] if outputs else self._same(theirs, number)
            rows.append((self.values[0][place][one], self.values[1][place][other]))
        rank = rows[0][0].ndim
        best: tuple[Order, float] = (), float("inf")
        for order in permutations(range(rank)):
            if any(a.ndim != b.ndim or a.transpose(order).shape != b.shape for a, b in rows):
                continue
            error = max(relative_error(b, a.transpose(order)) for a, b in rows)
            if not best[0] or error < best[1]:
                best = order, error
            if error < 1e-10:
                break
        return best

    def _same(self, program: Program, number: int) -> int:
        """The value of a named one of the first program, in the program of another length."""
        name = next(path for path, one in self.named.items() if one == number)
        return program.taps[name]

    @cached_property
    def weights(self) -> tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]]:
        """Those of each side's modules that can be told from others, by path."""
        return _weights(self.ours), _weights(self.theirs)

    def _by_weights(self, tap: str, shapes: tuple[tuple[int, ...], ...]) -> Found:
        ours, theirs = self.weights
        mine, name = ours.get(_module(tap), []), declared(tap)
        same = [path for path, weights in theirs.items() if mine and _equal(mine, weights)]
        if len(same) == 1 and same[0] in self.named:
            path = same[0]
            return Found(
                name, WEIGHTS, f"found by its weights alone: what {path} gives is another value", path, shapes=shapes
            )
        return Found(name, NOTHING, "no counterpart", shapes=shapes)


def declared(tap: str) -> str:
    """The path of a tap in a contract: `norm[call=1]` for `norm#1`, the second call of a module."""
    path, again, call = tap.partition("#")
    return f"{path}[call={call}]" if again else path


def _module(tap: str) -> str:
    """The path of the module whose call it is."""
    return tap.partition("#")[0]


def _first_results(taps: Mapping[str, int]) -> dict[str, int]:
    """The calls of modules, with the first array that each gives.

    The graph calls a second array `path[1]`, the stand-in `path.1`: that one stands right behind its module's.
    """
    found: dict[str, int] = {}
    last = ""
    for name, number in taps.items():
        parent, _, end = name.rpartition(".")
        if "[" in name or (end.isdigit() and parent == last):
            continue
        found[name] = number
        last = name
    return found


def _weights(program: Program) -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {}
    for constant in program.constants.values():
        path, _, _ = constant.name.rpartition(".")
        if path and telling((constant.array,)):
            found.setdefault(path, []).append(constant.array)
    return found


def _equal(mine: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> bool:
    return len(mine) == len(theirs) and all(any(find(b, a) is not None for b in theirs) for a in mine)
