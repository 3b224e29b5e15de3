"""A recorded or traced program with its results rounded at random: the same operations, computed otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from parity.exact.program import Compute, Node, Program, Replace, Values, evaluate
from parity.exact.rounding.coin import Rounding
from parity.exact.rounding.floors import RUNS, Floors
from parity.exact.rounding.primitives import PRIMITIVES


def rounded(program: Program, rounding: Rounding) -> Program:
    """The program with every result rounded at random to the dtype that the framework reports for it."""

    def compute(node: Node) -> Compute:
        rule = PRIMITIVES.get(node.operation)
        dtypes = [program.dtypes.get(number, "float32") for number in node.outputs]

        def run(*arrays: np.ndarray) -> Sequence[np.ndarray]:
            inexact = any(array.dtype.kind in "fc" for array in arrays)
            made = rule(rounding, node, arrays) if rule is not None and inexact else None
            values = node.compute(*arrays) if made is None else [made]
            return [narrowed(rounding, value, dtype) for value, dtype in zip(values, dtypes, strict=True)]

        return run

    return replace(program, nodes=tuple(replace(node, compute=compute(node)) for node in program.nodes))


def narrowed(rounding: Rounding, value: np.ndarray, dtype: str) -> np.ndarray:
    """A result rounded to its dtype, where that is one that a device rounds to."""
    dtype = "float32" if dtype == "complex64" else dtype
    return rounding.once(value, dtype) if dtype in ("float32", "float16", "bfloat16") else value


def made(program: Program, inputs: Sequence[np.ndarray], numbers: Collection[int], given: Replace) -> Values:
    """What a program itself makes at these values, while it goes on with those that are given in their place."""
    seen: Values = {}

    def watched(node: Node) -> Node:
        def compute(*arrays: np.ndarray) -> Sequence[np.ndarray]:
            outputs = node.compute(*arrays)
            seen.update(
                {number: value for number, value in zip(node.outputs, outputs, strict=True) if number in wanted}
            )
            return outputs

        return replace(node, compute=compute)

    wanted = frozenset(numbers)
    nodes = tuple(watched(node) if wanted.intersection(node.outputs) else node for node in program.nodes)
    evaluate(replace(program, nodes=nodes), inputs, given, keep=False)
    return seen


def floors(
    program: Program,
    inputs: Sequence[np.ndarray],
    numbers: Collection[int],
    given: Mapping[int, np.ndarray],
    case: str = "",
) -> dict[int, float]:
    """The program's own floor at these values: the largest RMSE of `RUNS` runs rounded at random against the double.

    `given` stands in for values once they were made, so that each has its local error. Both are run from the same
    inputs and given values; these should be float32 numbers, as a device would have them.
    """
    found = Floors(made(program, inputs, numbers, given))
    for number in range(RUNS):
        found.add(made(rounded(program, Rounding(case, number)), inputs, numbers, given))
    return found.largest()
