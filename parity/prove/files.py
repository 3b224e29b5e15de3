"""What MLX writes wrongly into a `.mlxfn` file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.exact.program import Program

_LEAST = 8
"""Numbers that an array needs to be told from others by its values."""


def misplaced(reference: Program, candidate: Program) -> Iterator[tuple[str, str]]:
    """Each weight of a file that was a view, and a sentence: MLX 0.32.4 writes its memory, and the axes of the view.

    Such an array holds the reference's numbers in the reference's order, under axes in another order.
    """
    ours = [constant for constant in reference.constants.values() if constant.array.size >= _LEAST]
    for constant in candidate.constants.values():
        array = constant.array
        for other in ours:
            shape = other.array.shape
            if shape == array.shape or sorted(shape) != sorted(array.shape):
                continue
            if np.array_equal(array.ravel(), np.asarray(other.array, np.float32).ravel()):
                name = other.name or "a constant"
                said = (
                    f"the file holds {name} {shape} as {array.shape} without turning it: it was exported from a view; "
                    "assign mx.contiguous(weight), evaluated, before exporting"
                )
                yield name, said
