"""Named values that no operation of the candidate gives alike: few numbers, tables, and what is computed in part."""

from __future__ import annotations

import numpy as np

from parity.exact.program import Program
from parity.match.matching import match
from parity.match.taps import PART

from .builder import Builder

WIDTH = 16
DRAW = np.random.default_rng(3)
WEIGHT, OTHER = (DRAW.standard_normal((WIDTH, WIDTH)) / 4 for _ in range(2))
QUERIES = DRAW.standard_normal((1, 2, WIDTH))
"""Fewer numbers than a value is found by."""


def inputs() -> list[np.ndarray]:
    draw = np.random.default_rng(4)
    return [draw.standard_normal((2, length, WIDTH)) for length in (9, 12, 17)]


def reference(x: np.ndarray) -> Program:
    b = Builder()
    h = b.input(x)
    flags = b.tap("flags", b.run("flags", lambda x: np.where(x[:, :1] > 9, 1.0, 0.25), h))
    table = b.tap("table", b.constant(QUERIES) @ b.constant(OTHER))
    logits = b.tap("logits", (h * flags + table.sum(1)) @ b.constant(WEIGHT))
    return b.program(b.run("last", lambda x: x[:, -1], logits))


def candidate(
    x: np.ndarray, table: np.ndarray = QUERIES, other: np.ndarray = OTHER, flag: float = 0.25, scale: float = 1.0
) -> Program:
    b = Builder()
    h = b.input(x)
    flags = b.run("flags", lambda x: np.where(x[:, :1] > 9, 1.0, flag), h)
    flagged = b.run("last", lambda x: x[:, -1:], h * flags)
    made = b.constant(table) @ b.constant(other)
    summed = (made if scale == 1 else made * scale).sum(1)
    return b.program(((flagged + summed) @ b.constant(WEIGHT)).reshape(2, WIDTH))


def test_few_numbers_tables_and_what_is_taken_out_alone_have_counterparts() -> None:
    given = [[x] for x in inputs()]
    matching = match([reference(x) for x in inputs()], [candidate(x) for x in inputs()], given, given)
    assert matching.equal
    assert matching.unmatched_taps == []
    assert {name for name, pair in matching.taps.items() if pair.how == PART} == {"logits"}


def test_few_other_numbers_depart_at_their_own_operation() -> None:
    given = [[x] for x in inputs()]
    ours, theirs = ([make(x) for x in inputs()] for make in (reference, lambda x: candidate(x, flag=0.5)))
    matching = match(ours, theirs, given, given)
    (departure,) = matching.departures
    assert [node.operation for node in (*departure.reference, *departure.candidate)] == ["flags", "flags"]
    assert departure.relation == "2 times the reference's"
    assert matching.proven
    assert matching.taps["logits"].follows == (0,)


def test_another_table_departs_where_it_is_taken() -> None:
    given = [[x] for x in inputs()]
    ours, theirs = ([make(x) for x in inputs()] for make in (reference, lambda x: candidate(x, QUERIES[:, ::-1] * 1.5)))
    matching = match(ours, theirs, given, given)
    (departure,) = matching.departures
    assert departure.candidate == ()
    assert [node.operation for node in departure.takers] == ["matmul"]
    assert matching.explanations[0].constants[0].startswith("constant(1, 2, 16) differs from constant(1, 2, 16) by ")
    assert matching.proven
    assert matching.taps["table"].follows == (0,)
    assert matching.unmatched_taps == []


def test_what_is_computed_of_constants_wrongly_departs_there() -> None:
    given = [[x] for x in inputs()]
    ours = [reference(x) for x in inputs()]
    wrong = [candidate(x, other=OTHER[:, ::-1]) for x in inputs()]
    matching = match(ours, wrong, given, given)
    (departure,) = matching.departures
    assert departure.reference == ()
    assert [node.operation for node in departure.takers] == ["matmul"]
    scaled = match(ours, [candidate(x, scale=1 + 1e-6) for x in inputs()], given, given)
    (departure,) = scaled.departures
    assert [node.operation for node in departure.candidate] == ["multiply"]
    assert matching.proven
    assert scaled.proven
