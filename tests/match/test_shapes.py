"""Where two programs part whose outputs have other shapes."""

from __future__ import annotations

import numpy as np
import pytest

from parity.match.quantities import Quantities
from parity.match.values import Runs
from parity.match.weights import Anchors
from parity.prove.shapes import parting

from .builder import Builder

WEIGHT = np.random.default_rng(3).standard_normal((12, 16))


def runs(padding: int, apart: int = 1) -> Runs:
    """A window of two frames over a sequence that is padded, the channels in so many products."""
    b = Builder()
    x = b.input(np.random.default_rng(4).standard_normal((2, 7, 6)))

    def windows(array: np.ndarray, weight: np.ndarray) -> np.ndarray:
        array = np.pad(array, [(0, 0), (padding, padding), (0, 0)])
        return np.concatenate([array[:, :-1], array[:, 1:]], -1) @ weight

    b.module = "front"
    y = b.run("conv1d", windows, x, b.constant(WEIGHT), stride=1, padding=padding)
    return Runs([b.program(*(y.part(n, n + 1, 0) for n in range(apart)))], [b.given])


def said(ours: Runs, theirs: Runs) -> str:
    quantities = Quantities(ours)
    return parting(quantities, theirs, Anchors(ours, theirs, quantities.values, theirs.static()))


def test_the_first_result_of_another_size_is_named_with_what_differs():
    text = said(runs(1), runs(2))
    assert text.startswith("front gives shape (2, 8, 16), the port shape (2, 10, 16) at ")
    assert text.endswith("convolution: padding 1 against 2")


@pytest.mark.parametrize("apart", [1, 2])
def test_results_of_one_size_are_not_named(apart: int):
    assert said(runs(1), runs(1, apart)) == ""
