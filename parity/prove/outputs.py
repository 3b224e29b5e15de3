"""The outputs of two programs compared, and what constants of unknown exact value can do to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from parity.base.errors import InputError
from parity.exact.constants import half_ulp
from parity.exact.program import Program, evaluate
from parity.match.arrangement import BOUND, difference, root_mean_square
from parity.prove.inputs import OUTPUT, Order

DRAWS = 4
"""Times that unresolved constants are moved by half an ulp up or down, for their effect on the outputs."""


@dataclass(frozen=True)
class Output:
    """One output over all sets of inputs: largest error and its bound, in RMS of the reference's, and axes."""

    error: float
    bound: float
    order: Order

    @property
    def equal(self) -> bool:
        return self.error <= self.bound


def compare(
    made: Sequence[Sequence[np.ndarray]], wanted: Sequence[Sequence[np.ndarray]], orders: Mapping[str, Order]
) -> list[Output]:
    """Each output against the reference's, in one order of axes for all sets. Raises `InputError` for other counts."""
    if len(made[0]) != len(wanted[0]) or not wanted[0]:
        raise InputError(
            f"the reference gives {len(wanted[0])} arrays, the port {len(made[0])}: return the same ones from both"
        )
    outputs = []
    for place in range(len(wanted[0])):
        pairs = [(ours[place], theirs[place]) for ours, theirs in zip(made, wanted, strict=True)]
        name = OUTPUT if place == 0 and OUTPUT in orders else f"{OUTPUT} {place}"
        ranks = range(pairs[0][1].ndim)
        tried = [orders[name]] if name in orders else list(permutations(ranks)) if len(ranks) < 6 else [tuple(ranks)]
        best = min(((_apart(pairs, order), order) for order in tried), key=lambda pair: pair[0])
        if best[0] == np.inf and all(x.shape != y.transpose(o).shape for x, y in pairs for o in tried):
            shapes = f"{pairs[0][0].shape}, expected {pairs[0][1].shape} in some order of axes"
            raise InputError(f"{name} of the port has shape {shapes}")
        outputs.append(Output(best[0], BOUND, best[1]))
    return outputs


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
            moved[number] = constant.array + generator.choice([-1.0, 1.0], constant.array.shape) * half_ulp(constant)
        values = evaluate(program, inputs, moved, keep=False)
        for place, (number, array) in enumerate(zip(program.outputs, wanted, strict=True)):
            change = float(np.abs(values[number] - plain[number]).max(initial=0.0))
            scale = root_mean_square(array)
            effect[place] = max(effect[place], 2 * change / scale if scale else 0.0)
    return effect
