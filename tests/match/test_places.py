"""Where a departure stands, and what is said of it: idle operations, axes read otherwise, operands exchanged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.match.explanation import Explanation
from parity.match.matching import Matching

from .builder import Builder, Value, join
from .test_chains import compared

RNG = np.random.default_rng(11)
FIRST, SECOND = (RNG.standard_normal((24, 24)) / 4 for _ in range(2))
LAST = RNG.standard_normal((24, 16)) / 4
SCALES = RNG.uniform(0.5, 2, 24)


def only(matching: Matching) -> tuple[str, Explanation]:
    """The kind of the one departure, and its explanation."""
    assert matching.proven
    (group,) = matching.groups
    return matching.departures[group.first].kind, matching.explanations[group.first]


def behind(make: Callable[[Builder, Value], Value]) -> Callable[[Builder, Value], Value]:
    """A product with a weight behind what is tested, so that something follows from it."""
    return lambda b, x: make(b, x) @ b.constant(LAST)


def limited(at: float) -> Callable[[Builder, Value], Value]:
    return behind(lambda b, x: b.run("maximum", lambda a: np.maximum(a, at), x, b=at))


def test_a_limit_that_nothing_reaches_differs_and_is_not_missing() -> None:
    assert compared(limited(0.5), limited(0.5)).equal
    kind, said = only(compared(limited(0.5), limited(-1e3)))
    assert kind == "differs"
    assert (said.reference.formula, said.candidate.formula) == ("maximum(x, b=0.5)", "maximum(x, b=-1000)")


def test_an_output_is_mended_by_its_own_quantity_alone() -> None:
    """The port adds behind the root. Without the root, both would hold one sum, which is no output."""

    def root(b: Builder, x: Value) -> Value:
        return b.run("sqrt", np.sqrt, x)

    kind, said = only(compared(lambda b, x: root(b, x * x + 0.1), lambda b, x: root(b, x * x) + 0.1))
    assert kind == "differs"
    assert (said.reference.formula, said.candidate.formula) == ("sqrt(x + 0.1)", "sqrt(x) + 0.1")


def heads(split: tuple[int, int], order: tuple[int, ...]) -> Callable[[Builder, Value], Value]:
    """A projection of which the width is split into four heads; a weight turns each, and its own factor scales it."""

    def make(b: Builder, x: Value) -> Value:
        width = (x @ b.constant(FIRST)).reshape(2, x.shape[1], *split).transpose(*order)
        return (width @ b.constant(SECOND[:6, :6])) * b.constant(np.array([1.0, 2.5, 3.0, 0.4])[:, None, None])

    return make


def test_a_width_split_otherwise_is_said_with_both_readings() -> None:
    right = heads((4, 6), (0, 2, 1, 3))
    assert compared(right, right).equal
    _, said = only(compared(right, heads((6, 4), (0, 3, 1, 2))))
    (reading,) = [text for text in said.constants if "is read as" in text]
    assert "read as 2 × 42 × 4, its axes in the order 0, 2, 1" in reading
    assert "the reference reads it as 2 × 7 × 4 × 6, its axes in the order 0, 2, 1, 3" in reading


def scores(b: Builder, x: Value, exchanged: bool = False) -> Value:
    pair = [x @ b.constant(FIRST), x @ b.constant(SECOND)]
    query, key = reversed(pair) if exchanged else pair
    return b.run("tanh", np.tanh, query @ key.transpose(0, 2, 1)) @ x


def test_operands_exchanged_are_shown_in_their_order() -> None:
    assert compared(scores, scores).equal
    kind, said = only(compared(scores, lambda b, x: scores(b, x, exchanged=True)))
    assert kind == "order"
    assert (said.reference.formula, said.candidate.formula) == ("x @ y", "y @ x")


def gated(b: Builder, x: Value, exchanged: bool = False) -> Value:
    """Two halves of one product, of which each is used in its own way."""
    both = x @ b.constant(np.concatenate([FIRST, SECOND], 1))
    halves = [both.part(0, 24), both.part(24, 48)]
    one, other = reversed(halves) if exchanged else halves
    return b.run("tanh", np.tanh, one * 2.0) * (other + 1.0) @ b.constant(LAST)


def test_two_parts_of_one_value_are_told_to_be_exchanged() -> None:
    matching = compared(gated, lambda b, x: gated(b, x, exchanged=True))
    assert matching.proven
    assert [departure.kind for departure in matching.departures] == ["operand", "operand"]
    assert all(said.reference.formula != said.candidate.formula for said in matching.explanations)
    assert compared(gated, gated).equal


def masked(below: bool) -> Callable[[Builder, Value], Value]:
    def make(b: Builder, x: Value) -> Value:
        one = np.ones((x.shape[1], x.shape[1]), bool)
        mask = b.constant(np.where(np.tril(one) if below else np.triu(one), 0.0, -np.inf))
        weights = b.run("exp", np.exp, x @ b.constant(FIRST) @ x.transpose(0, 2, 1) * 0.01 + mask)
        return weights @ join(x, x)

    return make


def test_a_mask_that_is_transposed_is_another_mask() -> None:
    assert compared(masked(True), masked(True)).equal
    kind, said = only(compared(masked(True), masked(False)))
    assert kind == "differs"
    assert said.relation.startswith("masked otherwise at 42 of 49 places, first (0, 1)")


def folded(factor: float) -> Callable[[Builder, Value], Value]:
    """Two weights with what scales their products multiplied into them, and rounded to single precision."""

    def make(b: Builder, x: Value) -> Value:
        x = b.run("tanh", np.tanh, x) * factor if factor != 1 else b.run("tanh", np.tanh, x)
        for weight in (FIRST, SECOND):
            both = b.constant((weight * SCALES).astype(np.float32).astype(np.float64), rounded="float32")
            x = b.run("tanh", np.tanh, x @ both)
        return x

    return make


def apart(b: Builder, x: Value) -> Value:
    x = b.run("tanh", np.tanh, x)
    for weight in (FIRST, SECOND):
        x = b.run("tanh", np.tanh, x @ b.constant(weight) * b.constant(SCALES))
    return x


def test_folded_weights_behind_a_departure_are_none() -> None:
    assert compared(apart, folded(1.0)).departures == []
    matching = compared(apart, folded(1.01))
    (departure,) = matching.departures
    assert departure.relation == "1.01 times the reference's"
    assert departure.healed
    assert matching.proven
