"""Operations that are told by their weights, or by where the reference computes one quantity again."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from parity.exact.program import Program
from parity.match.matching import match

from .blocks import softmax
from .builder import Builder

WIDTH = 16
DRAW = np.random.default_rng(0)
WEIGHTS = {name: DRAW.standard_normal((WIDTH, WIDTH)) / 4 for name in ("query", "key", "value", "one", "two")}
BIAS = DRAW.standard_normal(WIDTH)


def inputs() -> list[np.ndarray]:
    draw = np.random.default_rng(1)
    return [draw.standard_normal((2, length, WIDTH)) for length in (9, 12, 17)]


def attention(x: np.ndarray, biased: bool) -> Program:
    b = Builder()
    h = b.input(x)
    query, value = (h @ b.constant(WEIGHTS[name]) for name in ("query", "value"))
    b.module = "key"
    key = b.run("linear", lambda x, w, c: x @ w + c, h, b.constant(WEIGHTS["key"]), b.constant(BIAS * biased))
    b.tap("key", key)
    b.module = ""
    chances = b.run("softmax", softmax, query @ key.transpose(0, 2, 1))
    return b.program(chances @ value @ b.constant(WEIGHTS["one"]))


def test_a_bias_that_the_softmax_loses_is_a_departure_of_its_module() -> None:
    given = [[x] for x in inputs()]
    programs = [[attention(x, biased) for x in inputs()] for biased in (True, False)]
    matching = match(*programs, given, given)
    assert [(one.kind, one.module) for one in matching.departures] == [("differs", "key")]
    assert matching.proven
    assert match(programs[0], programs[0], given, given).equal


def gated(x: np.ndarray, sigmoid: bool) -> Program:
    """Two modules apply the same activation to the same value, each for itself."""
    b = Builder()
    h = b.input(x) @ b.constant(WEIGHTS["value"])

    def activated(module: str) -> object:
        b.module = module
        return h * b.run("sigmoid", expit, h) if sigmoid else b.run("tanh", np.tanh, h)

    one = activated("one") @ b.constant(WEIGHTS["one"])
    two = activated("two") @ b.constant(WEIGHTS["two"])
    return b.program(one @ b.constant(WEIGHTS["query"]) + two @ b.constant(WEIGHTS["key"]))


def test_what_the_reference_computes_at_two_places_departs_at_both() -> None:
    given = [[x] for x in inputs()]
    matching = match(*([gated(x, sigmoid) for x in inputs()] for sigmoid in (False, True)), given, given)
    assert [(one.kind, one.module) for one in matching.departures] == [("differs", "one"), ("differs", "two")]
    assert [one.reference.formula for one in matching.explanations] == ["tanh(x)"] * 2
    assert [one.candidate.formula for one in matching.explanations] == ["x · sigmoid(x)"] * 2
    assert matching.proven


def padded(x: np.ndarray, before: bool) -> Program:
    """A module whose rows behind the fifth are padding: zeros there before it, and zeros behind it."""
    b = Builder()
    h = b.input(x)
    mask = b.constant((np.arange(x.shape[1]) < 5)[:, None] * 1.0)
    b.module = "part"
    part = b.tap("part", (h * mask if before else h) @ b.constant(WEIGHTS["one"]) + b.constant(BIAS))
    b.module = ""
    return b.program(part * mask @ b.constant(WEIGHTS["two"]))


def test_padding_that_a_later_mask_hides_is_a_departure_of_its_module() -> None:
    given = [[x] for x in inputs()]
    masked, bare = ([padded(x, before) for x in inputs()] for before in (True, False))
    matching = match(masked, bare, given, given)
    assert [(one.kind, one.module) for one in matching.departures] == [("differs", "part")]
    assert matching.taps["part"].follows == (0,)
    assert matching.unmatched_taps == []
    assert matching.proven
    assert match(masked, masked, given, given).equal
