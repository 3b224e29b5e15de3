"""Faults planted in a program by hand: each is found at its own operation and nothing else is; rewrites are nothing."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import combinations
from random import Random

import numpy as np
import pytest

from parity.exact.program import Program
from parity.match.matching import Matching, confirm, match

from . import blocks
from .builder import Builder

WEIGHTS = blocks.weights()
INPUTS = blocks.inputs()
REWRITES = [
    (),
    *((one,) for one in ("variance", "folded", "addmm", "fused", "early")),
    ("folded", "addmm", "fused", "early"),
]
FAULTS = {
    "epsilon": ("differs", "{}.norm1", 1),
    "biased": ("extra", "{}.norm1", 1),
    "query.scale": ("differs", "{}.query", 1),
    "base": ("differs", "rope", 2),
    "pairs": ("differs", "rope", 2),
    "unnormed": ("operand", "{}.norm1", 1),
    "swapped": ("order", "{}.attention", 1),
    "scaled": ("differs", "{}.attention", 1),
    "mask": ("missing", "{}.attention", 1),
    "frame": ("extra", "{}.attention", 1),
    "extra": ("extra", "{}.out", 1),
    "residual": ("missing", "{}.out", 1),
    "tanh": ("differs", "{}.activation", 1),
}
"""Of each fault: what kind of departure it is, in which module of the reference, and how many operations it is in."""

HIDDEN = {"unnormed": {"epsilon", "biased"}, "extra": {"residual"}, "base": {"pairs"}}
"""Faults of one layer that leave nothing of another to be seen: its result is not taken, or it is one operation."""


def run(
    *faults: str, rewrites: tuple[str, ...] = (), seed: int = 1, lengths: tuple[int, ...] = blocks.LENGTHS
) -> tuple:
    inputs = blocks.inputs(seed, lengths)
    return (
        references(seed, lengths),
        [blocks.candidate(x, WEIGHTS, frozenset(faults), frozenset(rewrites)) for x in inputs],
        [[x] for x in inputs],
        [[x.transpose(0, 2, 1)] for x in inputs],
    )


@cache
def references(seed: int, lengths: tuple[int, ...]) -> list:
    return [blocks.reference(x, WEIGHTS) for x in blocks.inputs(seed, lengths)]


def expected(*faults: str) -> Counter:
    rows: Counter = Counter()
    for fault in faults:
        layer, name = fault.split(".", 1)
        kind, module, count = FAULTS[name]
        rows[kind, module.format(layer)] += count
    return rows


def found(matching: Matching) -> Counter:
    return Counter((one.kind, one.module) for one in matching.departures)


@pytest.mark.parametrize("rewrites", REWRITES, ids="+".join)
def test_rewrites_are_no_departures(rewrites: tuple[str, ...]) -> None:
    matching = match(*run(rewrites=rewrites))
    assert matching.equal
    assert matching.departures == []
    assert matching.unmatched_taps == []


@pytest.mark.parametrize("rewrites", [(), ("folded", "addmm", "early")], ids="+".join)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_at_its_operation(fault: str, rewrites: tuple[str, ...]) -> None:
    for layer in (0, 1):
        matching = match(*run(f"{layer}.{fault}", rewrites=rewrites))
        assert found(matching) == expected(f"{layer}.{fault}")
        assert not matching.equal
        assert matching.proven


def several() -> list[tuple[str, ...]]:
    draw = Random(0)
    names = [f"{layer}.{fault}" for layer in (0, 1) for fault in FAULTS]
    rows = []
    while len(rows) < 20:
        row = tuple(sorted(draw.sample(names, draw.randint(2, 5))))
        pairs = [(one[2:], other[2:]) for one, other in combinations(row, 2) if one[0] == other[0]]
        if not any(b in HIDDEN.get(a, ()) or a in HIDDEN.get(b, ()) for a, b in pairs):
            rows.append(row)
    return rows


@pytest.mark.parametrize("faults", several(), ids="+".join)
def test_several_faults_are_all_found(faults: tuple[str, ...]) -> None:
    matching = match(*run(*faults, rewrites=("folded", "addmm")))
    assert found(matching) == expected(*faults)
    assert matching.proven


@pytest.mark.parametrize(
    "faults", [("0.scaled", "0.mask"), ("0.epsilon", "0.biased"), ("1.base", "1.scaled", "1.mask")]
)
def test_faults_directly_behind_each_other_are_told_apart(faults: tuple[str, ...]) -> None:
    matching = match(*run(*faults))
    assert found(matching) == expected(*faults)
    assert matching.proven


def test_what_follows_from_a_departure_is_attributed_to_it() -> None:
    matching = match(*run("0.tanh", "1.mask"))
    assert matching.taps["0.up"].follows == ()
    assert matching.taps["0.down"].follows == (0,)
    assert matching.taps["1.up"].follows == (0, 1)


def test_formulas_stand_beside_each_other() -> None:
    epsilon = match(*run("0.epsilon")).explanations[0]
    assert epsilon.reference.formula == "x + 1e-05"
    assert epsilon.candidate.formula == "x + 1e-06"
    assert epsilon.names == {"x": "mean in 0.norm1"}
    tanh = match(*run("0.tanh")).explanations[0]
    assert tanh.reference.formula == "erf(x / 1.4142136)"
    assert tanh.candidate.formula == "tanh(0.79788456 · (x + 0.044715 · x · x · x))"
    assert tanh.names == {"x": "0.up"}
    assert any("blocks.py" in place for place in tanh.candidate.places)


def test_a_relation_says_what_is_wrong_and_is_no_equality() -> None:
    scaled = match(*run("0.scaled")).explanations[0]
    assert scaled.relation == "1.000001 times the reference's"
    frame = match(*run("0.frame")).explanations[0]
    assert frame.relation.startswith("the reference's but at (0, 3, 5): ")
    assert match(*run("0.tanh")).explanations[0].relation == ""


def test_pairs_hold_on_other_inputs_of_other_lengths() -> None:
    matching = match(*run(rewrites=("early",)))
    assert len(matching.pairs) > 50
    assert confirm(matching, *run(rewrites=("early",), seed=5, lengths=(6, 11))) == []


def test_a_false_match_is_confirmed_by_nobody() -> None:
    matching = match(*run())
    other = run("0.frame", seed=5, lengths=(6, 11))
    references, candidates, ours, theirs = other
    steps = [node for node in candidates[0].nodes if node.operation != "at"]
    assert len(steps) == len(candidates[0].nodes) - 1
    wrong = [[x + 1e-6 for x in one] for one in theirs]
    clean = run(seed=5, lengths=(6, 11))
    assert confirm(matching, references, clean[1], ours, wrong) != []


def test_an_output_that_is_another_value_is_a_departure() -> None:
    references, candidates, ours, theirs = run()
    taken = [Program(one.inputs, one.constants, one.nodes[:-1], one.nodes[-2].outputs, one.taps) for one in candidates]
    matching = match(references, taken, ours, theirs)
    assert not matching.equal
    assert [one.kind for one in matching.departures] == ["missing"]


def test_an_output_that_is_not_given_remains() -> None:
    references, candidates, ours, theirs = run()
    more = [
        Program(one.inputs, one.constants, one.nodes, (*one.outputs, one.taps["0.up"]), one.taps) for one in references
    ]
    matching = match(more, candidates, ours, theirs)
    assert matching.remaining == ["output 1 of the reference is not given: 0.up"]
    assert not matching.equal


def test_inputs_are_not_touched() -> None:
    arguments = run("0.mask")
    before = [np.array(x) for one in arguments[3] for x in one]
    match(*arguments)
    after = [np.array(x) for one in arguments[3] for x in one]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def taken(wrong: bool, plain: bool) -> list[Program]:
    """Rows of a table, at indices that are computed from the input; `plain` by one operation, else by several."""
    table = np.random.default_rng(11).standard_normal((40, 24))
    weight = np.random.default_rng(12).standard_normal((24, 24))
    made = []
    for x in INDEXED:
        b = Builder()
        given = b.input(x)
        if plain:
            index = b.run("index", lambda v: np.abs(v[..., 0] * 3).astype(int) % 12, given)
        else:
            size = b.run("abs", np.abs, b.run("multiply", lambda v: v[..., 0] * 3, given))
            index = b.run("astype", lambda v: v.astype(int) % 12, size)
        if wrong:
            index = b.run("subtract", lambda v: v - 1, index)
        row = b.run("take", lambda rows, at: rows[at], b.constant(table), index)
        made.append(b.program(b.run("add", np.add, row @ b.constant(weight), given)))
    return made


INDEXED = [np.random.default_rng(n).standard_normal((2, n, 24)) for n in blocks.LENGTHS]


def test_an_index_that_differs_is_the_departure() -> None:
    given = [[x] for x in INDEXED]
    assert match(taken(False, True), taken(False, False), given, given).equal
    matching = match(taken(False, True), taken(True, False), given, given)
    (departure,) = matching.departures
    assert departure.healed
    assert [node.operation for node in departure.reference] == ["index", "take"]
    assert [node.operation for node in departure.candidate] == ["multiply", "abs", "astype", "subtract", "take"]
    (explanation,) = matching.explanations
    assert explanation.reference.formula == "take(constant(40, 24), index(x))"
    assert matching.proven
