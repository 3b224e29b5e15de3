"""One program run on inputs of several lengths, its values pooled, and an index that finds a value by value."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from parity.base.errors import InputError
from parity.exact.program import Constant, Node, Program, widened
from parity.match.arrangement import BOUND, EXACT, Arrangement, difference, find, root_mean_square

Pooled = tuple[np.ndarray | None, ...]
"""One quantity at every length; None where a length does not run it."""

NUMBERS = 256
"""A quantity counts by its value alone from so many numbers on, pooled over all lengths."""

DISTINCT = 64
"""So many of them differ, at least: a mask or a constant is never found by its value alone."""


@dataclass(frozen=True, eq=False)
class Step:
    """One operation, at every length that runs it. `inputs` and `outputs` are keys of the runs' values.

    A stack of a loop's steps takes more values at some lengths than at others: the last ones.

    With `choice` it is no operation: it gives at every length the input of that position, where the lengths come to one
    value by operations of their own.
    """

    nodes: tuple[Node | None, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    choice: tuple[int, ...] | None = None

    @property
    def node(self) -> Node:
        """The operation as the first length that runs it has it."""
        return next(node for node in self.nodes if node is not None)

    def compute(self, taken: Sequence[Pooled], lengths: Sequence[int]) -> list[Pooled]:
        """The outputs at the named lengths, None at others."""
        if self.choice is not None:
            return [tuple(taken[place][n] if n in lengths else None for n, place in enumerate(self.choice))]
        made: list[list[np.ndarray | None]] = [[None] * len(self.nodes) for _ in self.outputs]
        for length in lengths:
            if (node := self.nodes[length]) is None:
                continue
            arrays = [value[length] for value in taken[: len(node.inputs)]]
            if any(array is None for array in arrays):
                continue
            with np.errstate(all="ignore"):  # an exchange may put any number anywhere
                for place, array in enumerate(node.compute(*arrays)):
                    made[place][length] = np.asarray(array)
        return [tuple(pooled) for pooled in made]


class Runs:
    """The same program at several lengths, step by step.

    The programs are of one source, so their operations are the same but for what depends on the length; those that
    only some lengths run are steps of their own. A value has one key for all lengths: `numbers[key]` are its numbers in
    the programs.
    """

    def __init__(self, programs: Sequence[Program], inputs: Sequence[Sequence[np.ndarray]]) -> None:
        if len(programs) != len(inputs) or not programs:
            raise InputError(
                f"got {len(programs)} programs and {len(inputs)} inputs: a program each, of its own shapes"
            )
        counts = {len(program.inputs) for program in programs}
        if len(counts) > 1 or {len(given) for given in inputs} != counts:
            raise InputError(f"the programs take {sorted(counts)} inputs, got {[len(given) for given in inputs]}")
        self.programs = tuple(programs)
        self.keys: list[dict[int, int]] = [{} for _ in programs]
        self.numbers: dict[int, list[int | None]] = {}
        self.inputs = tuple(self._key(numbers) for numbers in zip(*(p.inputs for p in programs), strict=True))
        self.steps: list[Step] = []
        self.meetings: dict[tuple[int | None, ...], int] = {}
        for nodes in _aligned(programs):
            step = self._step(nodes)
            self.steps.append(step)
        self.taps = {
            name: self._taken([program.taps.get(name) for program in programs])
            for name, number in programs[0].taps.items()
            if number in self.keys[0]
        }
        self.makers = {key: place for place, step in enumerate(self.steps) for key in step.outputs}
        self.users: dict[int, list[int]] = {}
        for place, step in enumerate(self.steps):
            for key in dict.fromkeys(step.inputs):
                self.users.setdefault(key, []).append(place)
        if lost := [place for place, number in enumerate(programs[0].outputs) if number not in self.keys[0]]:
            what = programs[0].source or "the program"
            raise InputError(f"output {lost[0]} of {what} is no result of its operations: compute it from the inputs")
        self.outputs = tuple(self.keys[0][number] for number in programs[0].outputs)
        for keys, program in zip(self.keys, programs, strict=True):
            if tuple(keys.get(number) for number in program.outputs) != self.outputs:
                raise InputError("the outputs are those of other operations at other lengths: match one at a time")
        self.given: dict[int, Pooled] = {}
        for position, key in enumerate(self.inputs):
            self.given[key] = tuple(widened(arrays[position]) for arrays in inputs)
        for key in self.numbers:
            if key not in self.makers and key not in self.given:
                self.given[key] = tuple(None if c is None else c.array for c in self.constants(key))
        self.dynamic = set(self.inputs)
        for step in self.steps:
            if self.dynamic.intersection(step.inputs):
                self.dynamic.update(step.outputs)

    @property
    def lengths(self) -> range:
        """Places of the programs."""
        return range(len(self.programs))

    def constants(self, key: int) -> list[Constant | None]:
        """The constant at every length."""
        return [
            None if number is None else program.constants[number]
            for program, number in zip(self.programs, self.numbers[key], strict=True)
        ]

    def evaluate(self, replace: Mapping[int, Pooled] | None = None) -> dict[int, Pooled]:
        """All values by key; `replace` stands in for constants."""
        values = {**self.given, **(replace or {})}
        for step in self.steps:
            for key, pooled in zip(
                step.outputs, step.compute([values[key] for key in step.inputs], self.lengths), strict=True
            ):
                values[key] = pooled
        return values

    def static(self, replace: Mapping[int, Pooled] | None = None) -> dict[int, Pooled]:
        """The values that do not depend on the inputs, by key; `replace` stands in for constants."""
        values = {**{k: v for k, v in self.given.items() if k not in self.dynamic}, **(replace or {})}
        for step in self.steps:
            if not self.dynamic.intersection(step.outputs):
                made = step.compute([values[key] for key in step.inputs], self.lengths)
                values.update(zip(step.outputs, made, strict=True))
        return values

    def named(self, name: str, values: Mapping[int, Pooled]) -> Pooled:
        """Of all values that of this name, at the lengths that give it."""
        pooled = values[self.taps[name]]
        return tuple(a if name in p.taps else None for a, p in zip(pooled, self.programs, strict=True))

    def layout(self, place: int) -> bool:
        """The step takes one value alone, and may do no more than lay it out anew."""
        return len(self.steps[place].inputs) == 1

    def _key(self, numbers: Sequence[int | None]) -> int:
        key = len(self.numbers)
        for length, number in enumerate(numbers):
            if number is not None:
                self.keys[length][number] = key
        self.numbers[key] = list(numbers)
        return key

    def _step(self, nodes: tuple[Node | None, ...]) -> Step:
        present = [(length, node) for length, node in enumerate(nodes) if node is not None]
        taken = []
        for position in range(max(len(node.inputs) for _, node in present)):
            numbers: list[int | None] = [None] * len(nodes)
            for length, node in present:
                if position < len(node.inputs):
                    numbers[length] = node.inputs[position]
            key = self._taken(numbers)
            taken.append(key)
        made = []
        for position in range(len(present[0][1].outputs)):
            made.append(self._key([None if node is None else node.outputs[position] for node in nodes]))
        return Step(nodes, tuple(taken), tuple(made))

    def _taken(self, numbers: list[int | None]) -> int:
        """The key of what a step takes."""
        present = [(length, number) for length, number in enumerate(numbers) if number is not None]
        keys = [self.keys[length].get(number) for length, number in present]
        known = [key for key in dict.fromkeys(keys) if key is not None]
        if not known:
            return self._key(numbers)
        one = self.numbers[known[0]]
        if len(known) == 1 and all(one[length] in (None, number) for length, number in present):
            for length, number in present:
                self.keys[length].setdefault(number, known[0])
                self.numbers[known[0]][length] = number
            return known[0]
        for place, (length, number) in enumerate(present):
            if keys[place] is None:  # a constant of this length alone
                alone: list[int | None] = [None] * len(numbers)
                alone[length] = number
                keys[place] = self._key(alone)
        row = tuple(keys)
        if row not in self.meetings:
            inputs = tuple(dict.fromkeys(key for key in row if key is not None))
            key = len(self.numbers)
            self.numbers[key] = list(numbers)
            self.meetings[row] = key
            at = {length: inputs.index(k) for (length, _), k in zip(present, row, strict=True) if k is not None}
            nodes = tuple(
                Node("same", (number,), (number,), _same) if number is not None else None for number in numbers
            )
            self.steps.append(Step(nodes, inputs, (key,), tuple(at.get(length, 0) for length in self.lengths)))
        return self.meetings[row]


def _same(array: np.ndarray) -> tuple[np.ndarray]:
    return (array,)


_Mark = tuple[str, int, str, str]
"""What an operation has in common with that of another length."""


def _mark(node: Node) -> _Mark:
    return node.operation, len(node.outputs), str(node.place), node.module


def _aligned(programs: Sequence[Program]) -> Iterator[tuple[Node | None, ...]]:
    """The operations of all programs side by side, in an order in which every program can run."""
    marks = [[_mark(node) for node in program.nodes] for program in programs]
    if all(mark == marks[0] for mark in marks):
        yield from zip(*(program.nodes for program in programs), strict=True)
        return
    partners = [_partners(marks[0], other) for other in marks]
    done = [0] * len(programs)

    def alone(length: int, until: int) -> Iterator[tuple[Node | None, ...]]:
        for place in range(done[length], until):
            yield tuple(programs[length].nodes[place] if n == length else None for n in range(len(programs)))
        done[length] = max(done[length], until)

    for place, node in enumerate(programs[0].nodes):
        row: list[Node | None] = [node]
        for length in range(1, len(programs)):
            partner = partners[length].get(place)
            if partner is not None:
                yield from alone(length, partner)
                done[length] = partner + 1
            row.append(None if partner is None else programs[length].nodes[partner])
        yield tuple(row)
    for length in range(1, len(programs)):
        yield from alone(length, len(programs[length].nodes))


def _partners(marks: Sequence[_Mark], others: Sequence[_Mark]) -> dict[int, int]:
    """Places of the first program's operations, and those of the same operations of another.

    A loop runs more often at one length than at another: the first steps of one are the first steps of the other.
    Where more is found so, the longest stretches that are the same are laid on each other.
    """
    blocks = SequenceMatcher(None, marks, others, autojunk=False).get_matching_blocks()
    longest = {block.a + n: block.b + n for block in blocks for n in range(block.size)}
    return max(_in_order(marks, others), longest, key=len)


def _in_order(marks: Sequence[_Mark], others: Sequence[_Mark]) -> dict[int, int]:
    """Of the shorter program each operation, and the first one of that mark behind the partner of the one before."""
    if len(marks) > len(others):
        return {there: here for here, there in _in_order(others, marks).items()}
    places: dict[_Mark, list[int]] = {}
    for place, mark in enumerate(others):
        places.setdefault(mark, []).append(place)
    found: dict[int, int] = {}
    last = -1
    for place, mark in enumerate(marks):
        rest = places.get(mark, [])
        if (number := bisect_right(rest, last)) < len(rest):
            last = found[place] = rest[number]
    return found


def whole(pooled: Pooled) -> bool:
    """The quantity exists at every length."""
    return all(array is not None for array in pooled)


def sample(array: np.ndarray, most: int = 2048) -> np.ndarray:
    """Elements spread over the array."""
    flat = array.ravel()
    return flat if flat.size <= most else flat[:: -(-flat.size // most)]


def distinct(pooled: Pooled) -> int:
    """Different finite numbers among a sample of all lengths."""
    return int(np.unique(np.concatenate([sample(array) for array in pooled if array is not None])).size)


def neutral(pooled: Pooled) -> bool:
    """Indices, masks and constants: values that say nothing about which quantity they are."""
    if any(array is None or array.dtype.kind in "biu" for array in pooled):
        return True
    return distinct(pooled) <= 2


def informative(pooled: Pooled) -> bool:
    """The quantity may be found by its value alone."""
    if not whole(pooled) or any(array is not None and array.dtype.kind not in "fc" for array in pooled):
        return False
    return sum(array.size for array in pooled if array is not None) >= NUMBERS and distinct(pooled) >= DISTINCT


Moments = tuple[float, float, float, float]


def moments(array: np.ndarray) -> Moments:
    """RMS, and in its units the means of |x|, x and x·|x|: free of order, each moved by less than 3 times max |Δ|."""
    scale = root_mean_square(array)
    if not scale:
        return 0.0, 0.0, 0.0, 0.0
    finite = array.ravel(order="K")
    if not np.isfinite(finite).all():
        finite = finite[np.isfinite(finite)]
    size = np.abs(finite).astype(np.float64, copy=False)
    plain = finite.real
    with np.errstate(over="ignore", invalid="ignore"):
        return scale, float(size.mean()) / scale, float(plain.mean()) / scale, float((plain * size).mean()) / scale**2


def alike(one: Moments, other: Moments, bound: float) -> bool:
    """Two arrays within `bound` of each other, in some order, have moments like that."""
    near = 4 * bound + 1e-14
    return abs(one[0] - other[0]) <= near * max(one[0], other[0]) and all(
        abs(a - b) <= near for a, b in zip(one[1:], other[1:], strict=True)
    )


Hit = tuple[int, tuple[Arrangement, ...], float]
"""Key of an equal value, its arrangements at the lengths, and the largest error."""


def closest(hits: Iterable[Hit]) -> Hit | None:
    """Of values that are equal, the nearest; the first that nothing sets apart."""
    best: Hit | None = None
    for hit in hits:
        if best is None or hit[2] < best[2]:
            best = hit
        if best[2] <= EXACT:
            break
    return best


class Index:
    """Quantities found by value: first by size and RMS, then by other moments, then by an arrangement that fits."""

    def __init__(self) -> None:
        self.rows: dict[int, list[tuple[float, int]]] = {}
        self.pooled: dict[int, Pooled] = {}
        self.moments: dict[tuple[int, int], Moments] = {}

    def add(self, key: int, pooled: Pooled) -> None:
        first = pooled[0]
        assert first is not None
        insort(self.rows.setdefault(first.size, []), (self._moments(key, 0, first)[0], key))
        self.pooled[key] = pooled

    def near(self, array: np.ndarray, bound: float) -> Iterator[int]:
        """Keys whose first array may be this one in some arrangement."""
        rows = self.rows.get(array.size)
        if not rows:
            return
        scale = root_mean_square(array)
        reach = (4 * bound + 1e-13) * scale
        place = bisect_left(rows, (scale - reach, -1))
        mine: Moments | None = None
        while place < len(rows) and rows[place][0] <= scale + reach:
            mine = mine or moments(array)
            if alike(mine, self.moments[rows[place][1], 0], bound):
                yield rows[place][1]
            place += 1

    def find(self, pooled: Pooled, bound: float = BOUND, lengths: Sequence[int] | None = None) -> Iterator[Hit]:
        """Keys that are equal to the value at all the named lengths, in one kind of arrangement, and largest error."""
        lengths = range(len(pooled)) if lengths is None else lengths
        first = pooled[lengths[0]]
        if first is None:
            return
        for key in self.near(first, bound) if lengths[0] == 0 else ():
            found = arranged(pooled, self.pooled[key], bound, lengths)
            if found is not None:
                yield key, *found

    def _moments(self, key: int, length: int, array: np.ndarray) -> Moments:
        if (key, length) not in self.moments:
            self.moments[key, length] = moments(array)
        return self.moments[key, length]


def arranged(
    candidate: Pooled, reference: Pooled, bound: float = BOUND, lengths: Sequence[int] | None = None
) -> tuple[tuple[Arrangement, ...], float] | None:
    """The arrangements at every length, and the largest difference; None where one fails or two are of two kinds."""
    found: list[Arrangement] = []
    largest = 0.0
    for length in range(len(candidate)) if lengths is None else lengths:
        x, y = candidate[length], reference[length]
        if x is None or y is None or x.size != y.size:
            return None
        known = None
        if found and len(found[0].order) == 1:
            known = Arrangement((x.size,), (0,)) if difference(x.ravel(), y.ravel()) <= bound else None
        if known is None and not found and not alike(moments(x), moments(y), bound):
            return None
        arrangement = known or find(x, y, bound)
        if arrangement is None or (found and arrangement.order != found[0].order):
            return None
        found.append(arrangement)
        largest = max(largest, difference(x, arrangement.apply(y, x.shape)))
    return tuple(found), largest


def shape_pair(reference: Pooled, candidate: Pooled) -> tuple[tuple[int, ...], ...]:
    """Shapes of both at every length."""
    return tuple(array.shape for pooled in (reference, candidate) for array in pooled if array is not None)
