"""Long chains, sums of many products, tiny epsilons and masks: what a recording has, and one operation does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from parity.exact.program import Program
from parity.match.constants import resolve
from parity.match.matching import Matching, match
from parity.match.quantities import Quantities
from parity.match.trials import Outcome, Trials
from parity.match.values import Runs
from parity.match.walk import Walk
from parity.match.weights import Anchors

from .builder import Builder, Value, join

LENGTHS = (7, 9, 12)
RNG = np.random.default_rng(3)
INPUTS = [RNG.standard_normal((2, n, 24)) for n in LENGTHS]
WEIGHT = RNG.standard_normal((5 * 24, 16))
NEXT = RNG.standard_normal((16, 16))

Make = Callable[[Builder, Value], Value]


def programs(make: Make, inputs: Sequence[np.ndarray] = INPUTS) -> list[Program]:
    made = []
    for x in inputs:
        b = Builder()
        made.append(b.program(make(b, b.input(x))))
    return made


def compared(ours: Make, theirs: Make, inputs: Sequence[np.ndarray] = INPUTS) -> Matching:
    given = [[x] for x in inputs]
    return match(programs(ours, inputs), programs(theirs, inputs), given, given)


def whole(b: Builder, x: Value) -> Value:
    """A product with one weight, then a second."""
    return b.run("tanh", np.tanh, join(*[x] * 5) @ b.constant(WEIGHT)) @ b.constant(NEXT)


def pieces(factor: float) -> Make:
    """The same as a sum of as many products as there are parts of the weight, of which one may be wrong."""

    def make(b: Builder, x: Value) -> Value:
        weight, total = b.constant(WEIGHT), None
        for part in range(5):
            piece = x @ weight.part(24 * part, 24 * (part + 1), axis=0)
            total = piece if total is None else b.run("add", np.add, total, piece)
        assert total is not None
        return b.run("tanh", np.tanh, total * factor if factor != 1 else total) @ b.constant(NEXT)

    return make


def test_a_sum_of_many_products_with_one_weight_is_one_operation() -> None:
    assert compared(whole, pieces(1.0)).departures == []
    (departure,) = compared(whole, pieces(1.5)).departures
    assert departure.kind in ("differs", "extra")
    assert departure.healed


def test_a_tiny_epsilon_makes_another_value() -> None:
    """Within the bound of the sum, beyond that of its root near 0."""

    def ours(b: Builder, x: Value) -> Value:
        return b.run("sqrt", np.sqrt, b.run("add", lambda a: a + 1e-11, x * x)) * 3.0

    def theirs(epsilon: float) -> Make:
        return lambda b, x: (
            b.run("sqrt", np.sqrt, b.run("add", lambda a: a + epsilon, b.run("square", np.square, x))) * 3.0
        )

    small = [np.where(np.arange(x.size).reshape(x.shape) % 3 == 0, 1e-7, x) for x in INPUTS]
    assert compared(ours, theirs(1e-11), small).departures == []
    assert compared(ours, theirs(1e-9), small).departures != []


def scores(open_to: int, split: bool) -> Make:
    """Attention's scores of two products, half of each, with a mask: added last, or to one of them."""

    def make(b: Builder, x: Value) -> Value:
        length = x.shape[1]
        mask = b.constant(np.where(np.arange(length) < length - open_to, 0.0, -1e30))
        one, two = (
            x @ b.constant(w) @ x.transpose(0, 2, 1)
            for w in (WEIGHT[:24, :16] @ NEXT @ WEIGHT[24:48, :16].T, WEIGHT[48:72] @ WEIGHT[72:96].T)
        )
        total = one * 0.5 + (two * 0.5 + mask) if split else (one + two) * 0.5 + mask
        weights = b.run("softmax", lambda s: np.exp(s - s.max(-1, keepdims=True)), total)
        return weights @ x

    return make


def test_a_wrong_mask_is_the_mask_that_differs() -> None:
    assert compared(scores(2, False), scores(2, True)).departures == []
    for wrong in (0, 3):
        matching = compared(scores(2, False), scores(wrong, True))
        (departure,) = matching.departures
        assert departure.kind == "differs"
        assert departure.healed
        assert departure.key not in departure.keys or departure.candidate == ()  # the constants themselves
        (explanation,) = matching.explanations
        assert "constant" in explanation.reference.formula
        assert matching.proven


def chain(steps: int, calls: Counter | None = None) -> Make:
    def make(b: Builder, x: Value) -> Value:
        def moved(x: np.ndarray, c: np.ndarray) -> np.ndarray:
            if calls is not None:
                calls["computed"] += 1
            return x + np.tanh(c) / steps

        table = b.constant(np.float64(np.float32(RNG.standard_normal(24) + 0.1)), rounded="float32")
        for _ in range(steps):
            x = b.run("move", moved, x, table)
        return x

    return make


@pytest.mark.parametrize("steps", [1500])
def test_a_chain_behind_a_rounded_constant_is_followed_once(steps: int) -> None:
    calls: Counter = Counter()
    given = [[x] for x in INPUTS]
    ours, theirs = Runs(programs(chain(1)), given), Runs(programs(chain(steps, calls)), given)
    quantities, values = Quantities(ours), theirs.static()
    anchors = Anchors(ours, theirs, quantities.values, values)
    unresolved = resolve(ours, theirs, anchors).unresolved
    assert len(unresolved) == 1
    walk = Walk(quantities, theirs, anchors, values, unresolved)
    calls.clear()
    walk.pass_through(lambda place, key: None)
    assert not walk.status[theirs.outputs[0]].settled
    assert calls["computed"] <= 5 * steps * len(
        LENGTHS
    )  # itself, and moved up and at random when it is judged and kept


WIDE = RNG.standard_normal((24, 24)) / 5
BIAS = RNG.standard_normal(24)
RECURRENT = RNG.standard_normal((24, 24)) / 5


def recurrent(steps: int, factor: float = 1.0, scaled: bool = True, wrong: bool = False) -> Make:
    """A recurrent layer, step by step; `scaled`, its gates are twice as large, as another kernel would take them."""

    def make(b: Builder, x: Value) -> Value:
        weight, bias, recur = b.constant(WIDE), b.constant(BIAS), b.constant(RECURRENT)
        if scaled:
            weight, bias, recur = weight * 2.0, bias * 2.0, recur * 2.0
        given = b.run("add", np.add, x @ weight, bias * factor if factor != 1 else bias)
        hidden = cell = x * 0.0
        outputs = []
        for _ in range(steps):
            gate = b.run("add", np.add, given, hidden @ recur)
            new = b.run("tanh", np.tanh, gate * 0.5 if scaled else gate)
            before = hidden if wrong else cell
            cell = before * 0.75 + new * 0.5
            hidden = b.run("tanh", np.tanh, cell)
            outputs.append(hidden)
        return join(*outputs) @ b.constant(np.tile(NEXT[:, :8], (3 * steps // 2, 1)))

    return make


def test_a_scaled_bias_with_a_fault_is_one_departure() -> None:
    """A value of the candidate's own: the reference has no bias that is scaled."""
    assert compared(recurrent(12, scaled=False), recurrent(12)).departures == []
    matching = compared(recurrent(12, scaled=False), recurrent(12, 1 + 1e-6))
    (departure,) = matching.departures
    assert departure.kind == "extra"
    assert departure.relation == "1.000001 times the reference's"
    assert [node.operation for node in departure.candidate] == ["multiply"]
    assert matching.proven


def test_a_fault_at_every_step_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: Counter = Counter()
    before = Trials.tried

    def counted(self: Trials, *arguments: Any) -> Outcome | None:
        tried["exchanges"] += 1
        return before(self, *arguments)

    monkeypatch.setattr(Trials, "tried", counted)
    few = compared(recurrent(8, scaled=False), recurrent(8, wrong=True))
    count = tried["exchanges"]
    more = compared(recurrent(16, scaled=False), recurrent(16, wrong=True))
    assert [len(few.departures), len(more.departures)] == [7, 15]
    assert {departure.kind for departure in more.departures} == {"operand"}
    assert len(more.groups) == 1
    assert few.proven
    assert more.proven
    assert tried["exchanges"] - count <= count + 2 * 8  # a search is of hundreds


def centred(whole: bool, missing: bool) -> Make:
    """The input without its mean, which may be missing, then a product; unless `whole`, as a sum of 24 products."""

    def make(b: Builder, x: Value) -> Value:
        h, weight = b.run("tanh", np.tanh, x), b.constant(WEIGHT)
        if not missing:
            h = h - h.mean(1)
        if whole:
            total = b.run("project", lambda h, weight: np.tile(h, 5) @ weight, h, weight)
        else:
            wide = b.run("tile", lambda h: np.tile(h, 5), h)
            pieces = [wide.part(n, n + 5) @ weight.part(n, n + 5, axis=0) for n in range(0, len(WEIGHT), 5)]
            total = pieces[0]
            for piece in pieces[1:]:
                total = total + piece
        return b.run("tanh", np.tanh, total) @ b.constant(NEXT)

    return make


def test_what_is_missing_before_a_long_sum_is_found_there() -> None:
    assert compared(centred(True, False), centred(False, False)).departures == []
    (departure,) = compared(centred(True, False), centred(False, True)).departures
    assert departure.kind == "missing"
    assert [node.operation for node in departure.reference] == ["mean", "subtract"]
