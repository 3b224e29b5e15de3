"""Parts in another order, parts that are missing and parts that run once more are said to be so."""

from __future__ import annotations

import numpy as np
import pytest

from parity.exact.program import Program
from parity.match.matching import Matching, match

from .builder import Builder

WIDTH, PARTS = 16, 4
DRAW = np.random.default_rng(5)
WEIGHTS = [DRAW.standard_normal((WIDTH, WIDTH)) / 4 for _ in range(PARTS)]


def program(x: np.ndarray, *order: int) -> Program:
    b = Builder()
    held = [b.constant(weight, f"parts.{n}.inner.weight") for n, weight in enumerate(WEIGHTS)]
    h = b.input(x)
    for n in order:
        b.module = f"parts.{n}"
        h = h + b.run("tanh", np.tanh, h @ held[n])
    return b.program(h)


def matched(*order: int) -> Matching:
    draw = np.random.default_rng(6)
    given = [[draw.standard_normal((2, length, WIDTH))] for length in (9, 12, 17)]
    ours, theirs = ([program(x, *parts) for (x,) in given] for parts in (range(PARTS), order))
    return match(ours, theirs, given, given)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ((3, 1, 2, 0), "the candidate takes weights of parts.3 where the reference takes those of parts.0"),
        ((0, 1, 2), "the reference takes weights of parts.3.inner where the candidate takes none"),
        ((0, 1, 1, 2, 3), "the candidate takes weights of parts.1.inner where the reference takes none"),
    ],
)
def test_what_is_done_with_parts_is_said(order: tuple[int, ...], said: str) -> None:
    matching = matched(*order)
    assert said in [line for one in matching.explanations for line in one.constants]
    assert matching.proven


def test_parts_in_their_order_are_equal() -> None:
    assert matched(*range(PARTS)).equal
