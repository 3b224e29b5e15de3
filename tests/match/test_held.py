"""Named values that the candidate holds otherwise: an expert's tokens, a choice, steps of a loop, heads, one length."""

from __future__ import annotations

import numpy as np
import pytest

from parity.exact.program import Program
from parity.match.matching import Matching, confirm, match
from parity.match.taps import PIECES, REORDERED, ROWS, VALUE

from .blocks import softmax
from .builder import Builder, Value, join

WIDTH, HIDDEN, EXPERTS, CHOSEN = 16, 24, 4, 2
LENGTHS = (9, 12, 17)
DRAW = np.random.default_rng(7)
ROUTER = DRAW.standard_normal((WIDTH, EXPERTS))
UP = DRAW.standard_normal((EXPERTS, WIDTH, HIDDEN)) / 4
DOWN = DRAW.standard_normal((EXPERTS, HIDDEN, WIDTH)) / 4
FIRST, SECOND, LAST = (DRAW.standard_normal((WIDTH, WIDTH)) / 4 for _ in range(3))


def inputs(seed: int = 0) -> list[np.ndarray]:
    return [np.random.default_rng((seed, n)).standard_normal((2, n, WIDTH)) for n in LENGTHS]


def matched(ours: list[Program], theirs: list[Program]) -> Matching:
    given = [[x] for x in inputs()]
    matching = match(ours, theirs, given, given)
    assert matching.equal
    return matching


def ways(matching: Matching) -> dict[str, str]:
    return {name: pair.how for name, pair in matching.taps.items()}


def each_expert(x: np.ndarray, scale: float = 1.0) -> Program:
    """Every expert takes its own tokens, from the best choice to the next."""
    b = Builder()
    h = b.input(x).reshape(-1, WIDTH)
    logits = b.tap("router", h @ b.constant(ROUTER))
    chosen = b.tap("chosen", b.run("topk", lambda x: np.argsort(-x, -1)[:, :CHOSEN], logits))
    best = b.run("gather", lambda x, at: np.take_along_axis(x, at, -1), logits, chosen)
    weights = b.tap("weights", b.run("softmax", softmax, best))
    total = h * 0.0
    for expert in range(EXPERTS):
        at = b.run("where", lambda at, e=expert: np.argwhere(at == e), chosen)
        taken = b.run("index", lambda x, at: x[at[:, 0]], h, at)
        active = b.tap(f"expert{expert}", b.run("tanh", np.tanh, taken @ b.constant(UP[expert])) * scale)
        share = b.run("index", lambda w, at: w[at[:, 0], at[:, 1]][:, None], weights, at)
        made = active / scale @ b.constant(DOWN[expert]) * share
        total = b.run("index_add", lambda t, y, at: _added(t, y, at[:, 0]), total, made, at)
    return b.program(total @ b.constant(LAST))


def _added(total: np.ndarray, rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    total = total.copy()
    np.add.at(total, at, rows)
    return total


def all_experts(x: np.ndarray) -> Program:
    """Every token takes its experts, in the order in which they are numbered."""
    b = Builder()
    h = b.input(x)
    logits = h @ b.constant(ROUTER)
    chosen = b.run("partition", lambda x: np.sort(np.argsort(x, -1)[..., -CHOSEN:], -1), logits)
    weights = b.run("softmax", softmax, b.run("gather", lambda x, at: np.take_along_axis(x, at, -1), logits, chosen))
    up = b.run("gather_mm", lambda x, w, at: (x[..., None, None, :] @ w[at])[..., 0, :], h, b.constant(UP), chosen)
    active = b.run("tanh", np.tanh, up)
    down = b.run("gather_mm", lambda x, w, at: (x[..., None, :] @ w[at])[..., 0, :], active, b.constant(DOWN), chosen)
    shared = b.run("scale", lambda y, w: (y * w[..., None]).sum(-2), down, weights)
    return b.program(shared.reshape(-1, WIDTH) @ b.constant(LAST))


def test_an_expert_apart_and_a_choice_in_another_order() -> None:
    matching = matched([each_expert(x) for x in inputs()], [all_experts(x) for x in inputs()])
    experts = {f"expert{number}": ROWS for number in range(EXPERTS)}
    assert ways(matching) == {"router": VALUE, "chosen": REORDERED, "weights": REORDERED, **experts}
    assert matching.unmatched_taps == []


def test_rows_and_orders_are_confirmed_on_other_inputs() -> None:
    make = each_expert, all_experts
    matching = matched(*([one(x) for x in inputs()] for one in make))
    others = [[x] for x in inputs(seed=1)]
    programs = [[one(x) for (x,) in others] for one in make]
    assert confirm(matching, *programs, others, others) == []
    wrong = confirm(matching, *programs, others, [[1 - x] for (x,) in others])
    otherwise = [name for name, how in ways(matching).items() if how != VALUE]
    assert [name for name, pair in matching.taps.items() if pair in wrong] == ["router", *otherwise]


def test_an_expert_with_other_numbers_is_not_found() -> None:
    matching = matched([each_expert(x, scale=1 + 1e-8) for x in inputs()], [all_experts(x) for x in inputs()])
    assert matching.unmatched_taps == [f"expert{number}" for number in range(EXPERTS)]


def recurrent(x: np.ndarray, at_once: bool, shift: int = 0) -> Program:
    """A projection at all steps together, or at each; each step takes what was projected `shift` steps before."""
    b = Builder()
    h, weight = b.input(x), b.constant(FIRST)
    length = x.shape[1]

    def step(whole: Value, place: int) -> Value:
        return whole.part(place, place + 1, 1)

    whole = b.tap("project", h @ weight) if at_once else h
    state = step(h, 0) * 0.0
    states = []
    for place in range(length):
        taken = step(whole, (place - shift) % length)
        state = state * 0.5 + b.run("tanh", np.tanh, taken if at_once else taken @ weight)
        states.append(state)
    return b.program(join(*states, axis=1) @ b.constant(LAST))


@pytest.mark.parametrize("shift", [0, 1])
def test_a_projection_at_each_step_of_a_loop(shift: int) -> None:
    programs = ([recurrent(x, at_once, shift) for x in inputs()] for at_once in (True, False))
    assert ways(matched(*programs)) == {"project": ROWS}


def limited(x: np.ndarray) -> np.ndarray:
    if np.any(abs(x) > 100):
        raise ValueError("values must be smaller than 100")
    return np.where(x > 50, 1.0, 0.0)


def heads(x: np.ndarray, fused: bool, limit: bool = False) -> Program:
    """Keys and values of each of two heads one behind the other, or of all heads; `limit`: an operation beside them."""
    b = Builder()
    h = b.input(x)
    size = (2, x.shape[1], 2, WIDTH // 2)
    if fused:
        first, second = (weight.reshape(WIDTH, 2, -1) for weight in (FIRST, SECOND))
        weight = np.concatenate([first, second], -1).reshape(WIDTH, -1)
        both = b.tap("both", h @ b.constant(weight)).reshape(*size[:3], WIDTH)
        key, value = both.part(0, WIDTH // 2), both.part(WIDTH // 2, WIDTH)
        if limit:
            key = key + b.run("limited", limited, both).part(0, WIDTH // 2)
    else:
        key, value = ((h @ b.constant(weight)).reshape(*size) for weight in (FIRST, SECOND))
    mixed = b.run("tanh", np.tanh, key) * value
    return b.program(mixed.reshape(*x.shape) @ b.constant(LAST))


@pytest.mark.parametrize("limit", [False, True])
def test_keys_and_values_of_each_head_together(limit: bool) -> None:
    programs = ([heads(x, fused, limit) for x in inputs()] for fused in (True, False))
    assert ways(matched(*programs)) == {"both": PIECES}


def terms(x: np.ndarray, together: bool) -> Program:
    """A sum of as many terms as the length has: other operations at other lengths."""
    b = Builder()
    h = b.input(x)
    count = 2 + (x.shape[1] > LENGTHS[0])
    parts = [b.run("tanh", np.tanh, h @ b.constant(weight)) for weight in (FIRST, SECOND, LAST)[:count]]
    if together:
        total = b.run("sum", lambda *arrays: np.sum(arrays, 0), *parts)
    else:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
    return b.program(b.tap("sum", total) @ b.constant(LAST))


def test_what_other_lengths_come_to_by_other_operations() -> None:
    programs = ([terms(x, together) for x in inputs()] for together in (False, True))
    assert ways(matched(*programs)) == {"sum": VALUE}
