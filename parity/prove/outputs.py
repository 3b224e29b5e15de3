"""The outputs of two programs compared, and what constants of unknown exact value can do to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from parity.base.errors import InputError, UsageError
from parity.exact.constants import half_ulp
from parity.exact.program import Program, evaluate
from parity.match.arrangement import BOUND, difference, root_mean_square
from parity.prove.inputs import OUTPUT, Order

DRAWS = 4
"""Times that unresolved constants are moved by half an ulp up or down, for their effect on the outputs."""


_RANK = 5
"""Axes of an output whose orders are all tried."""


@dataclass(frozen=True)
class Output:
    """One output over all sets of inputs: largest error and its bound, in RMS of the reference's, and axes.

    `errors` are those of each set. `apart` says of integers, which have no size to be off by, how many differ and where
    the first does.
    """

    error: float
    bound: float
    order: Order
    apart: str = ""
    errors: tuple[float, ...] = ()

    @property
    def equal(self) -> bool:
        return self.error <= self.bound


def compare(
    made: Sequence[Sequence[np.ndarray]], wanted: Sequence[Sequence[np.ndarray]], orders: Mapping[str, Order]
) -> list[Output]:
    """Each output against the reference's, in one order of axes for all sets. Raises `InputError` for other counts."""
    for ours, theirs in zip(made, wanted, strict=True):
        if len(ours) != len(theirs) or not theirs:
            raise InputError(
                f"the reference gives {len(theirs)} arrays, the port {len(ours)}: return the same ones from both"
            )
    if len(counts := {len(theirs) for theirs in wanted}) > 1:
        said = " and ".join(map(str, sorted(counts)))
        raise InputError(
            f"the reference gives {said} arrays, by the inputs; compare inputs of one such length at a time"
        )
    outputs = []
    for place in range(len(wanted[0])):
        pairs = _pairs(made, place, wanted, place)
        name = OUTPUT if place == 0 and OUTPUT in orders else f"{OUTPUT} {place}"
        rank = pairs[0][1].ndim
        if name in orders and len(orders[name]) != rank:
            raise UsageError(f"--axes {name!r} has {len(orders[name])} axes, the reference's {name} has {rank}")
        tried = [orders[name]] if name in orders else _orders(rank)
        best = min(((_apart(pairs, order), order) for order in tried), key=lambda pair: pair[0])
        fits = any(x.shape == y.transpose(order).shape for x, y in pairs for order in tried)
        others = (other for other in range(len(wanted[0])) if other != place)
        if not fits and not any(_same(made, place, wanted, other) for other in others):
            shapes = f"{pairs[0][0].shape}, expected {pairs[0][1].shape} in some order of axes"
            if rank > _RANK and name not in orders:
                shapes += f"; orders are tried of up to {_RANK} axes: give this one with --axes"
            raise InputError(f"{name} of the port has shape {shapes}")
        apart = "" if best[0] <= BOUND else integers_apart(pairs, best[1])
        errors = tuple(_apart([pair], best[1]) for pair in pairs)
        outputs.append(Output(best[0], BOUND, best[1], apart, errors))
    return outputs


def exchanged(
    made: Sequence[Sequence[np.ndarray]], wanted: Sequence[Sequence[np.ndarray]], outputs: Sequence[Output]
) -> list[str]:
    """A sentence for each output that is not the reference's at its place, but equals another one of the reference."""
    others = {
        place: [other for other in range(len(outputs)) if other != place and _same(made, place, wanted, other)]
        for place, output in enumerate(outputs)
        if not output.equal
    }
    said = []
    for place, found in others.items():
        for other in found:
            swapped = place in others.get(other, ())
            if not swapped or place < other:
                end = ": they are swapped" if swapped else ""
                said.append(f"{OUTPUT} {place} equals the reference's {OUTPUT} {other}{end}")
    return said


def undecided(
    wanted: Sequence[Sequence[np.ndarray]], outputs: Sequence[Output], orders: Mapping[str, Order]
) -> list[str]:
    """A sentence for each output found in another order of axes that are equally long in every set of inputs."""
    said = []
    for place, output in enumerate(outputs):
        if f"{OUTPUT} {place}" in orders or (place == 0 and OUTPUT in orders):
            continue
        shapes = [theirs[place].shape for theirs in wanted]
        for one, other in combinations(range(len(output.order)), 2):
            turned = output.order.index(one) > output.order.index(other)
            if turned and all(shape[one] == shape[other] > 1 for shape in shapes):
                said.append(
                    f"{OUTPUT} {place}: axes {one} and {other} are equally long ({shapes[0][one]}) and stand in "
                    "another order in the port, which may have mixed them up; give other lengths, or declare the order "
                    "that is meant with axes"
                )
    return said


def constant(wanted: Sequence[Sequence[np.ndarray]]) -> list[str]:
    """A sentence for each output of the reference that is one number, or one row, whatever the inputs."""
    said = []
    for place, arrays in enumerate(zip(*wanted, strict=True)):
        if any(array.dtype.kind not in "fc" or not array.size for array in arrays):
            continue
        first = arrays[0].flat[0]
        if all((array == first).all() for array in arrays) and (first == 0 or any(a.size > 1 for a in arrays)):
            what = f"is {first:g} everywhere"
        elif all(_one_row(array, arrays[0]) for array in arrays):
            what = "is the same numbers in every row"
        else:
            continue
        said.append(f"{OUTPUT} {place} {what}: what it is made of is not proven; give weights or inputs that reach it")
    return said


def _one_row(array: np.ndarray, other: np.ndarray) -> bool:
    """Whether an array is one row of numbers again and again, the last axis long, and the same as the other's."""
    if array.ndim < 2 or array.shape[-1] != other.shape[-1] or array.size == array.shape[-1]:
        return False
    rows = array.reshape(-1, array.shape[-1])
    return bool((rows == other.reshape(-1, other.shape[-1])[0]).all())


def _pairs(
    made: Sequence[Sequence[np.ndarray]], place: int, wanted: Sequence[Sequence[np.ndarray]], other: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(ours[place], theirs[other]) for ours, theirs in zip(made, wanted, strict=True)]


def _orders(rank: int) -> list[Order]:
    return list(permutations(range(rank))) if rank <= _RANK else [tuple(range(rank))]


def _same(made: Sequence[Sequence[np.ndarray]], place: int, wanted: Sequence[Sequence[np.ndarray]], other: int) -> bool:
    """Whether an output of the port equals that one of the reference, in some order of its axes."""
    pairs = _pairs(made, place, wanted, other)
    return any(_apart(pairs, order) <= BOUND for order in _orders(pairs[0][1].ndim))


def integers_apart(pairs: Sequence[tuple[np.ndarray, np.ndarray]], order: Order) -> str:
    """How many integers or booleans differ, and the first of them; empty for other numbers."""
    if any(array.dtype.kind not in "biu" for pair in pairs for array in pair):
        return ""
    pairs = [(ours, theirs.transpose(order)) for ours, theirs in pairs]
    if any(ours.shape != theirs.shape for ours, theirs in pairs):
        return ""
    count, size = sum(np.count_nonzero(ours != theirs) for ours, theirs in pairs), sum(ours.size for ours, _ in pairs)
    ours, theirs = next(pair for pair in pairs if not np.array_equal(*pair))
    at = tuple(int(index) for index in np.argwhere(ours != theirs)[0])
    return f"{count} of {size} differ, first at {at}: {ours[at]}, expected {theirs[at]}"


def _apart(pairs: Sequence[tuple[np.ndarray, np.ndarray]], order: Order) -> float:
    worst = 0.0
    for ours, theirs in pairs:
        turned = theirs.transpose(order)
        worst = max(worst, difference(ours, turned) if ours.shape == turned.shape else np.inf)
    return worst


def effects(
    program: Program,
    inputs: Sequence[np.ndarray],
    exact: Mapping[int, np.ndarray],
    unresolved: Sequence[int],
    wanted: Sequence[np.ndarray],
) -> list[float]:
    """What unresolved constants can do to each output, in RMS of the reference's.

    Each stands for half an ulp around it. What they do together is measured: all are moved by half an ulp up or down
    at random, and twice the largest change counts. `exact` are the values of constants that are known.
    """
    generator = np.random.default_rng(0)
    plain = evaluate(program, inputs, exact, keep=False)
    effect = [0.0] * len(program.outputs)
    for _ in range(DRAWS):
        moved = dict(exact)
        for number in unresolved:
            constant = program.constants[number]
            moved[number] = constant.array + generator.choice([-1.0, 1.0], constant.array.shape) * half_ulp(
                constant.array, constant.rounded
            )
        values = evaluate(program, inputs, moved, keep=False)
        for place, (number, array) in enumerate(zip(program.outputs, wanted, strict=True)):
            change = float(np.abs(values[number] - plain[number]).max(initial=0.0))
            scale = root_mean_square(array)
            effect[place] = max(effect[place], 2 * change / scale if scale else 0.0)
    return effect
