"""Entries of a batch run apart in one program and together in the other."""

from __future__ import annotations

import numpy as np
import pytest

from .builder import Builder, Value, join
from .test_chains import Make, compared

RNG = np.random.default_rng(5)
WEIGHTS = [RNG.standard_normal((24, 24)) / 4 for _ in range(7)]
LAST = RNG.standard_normal((24, 16)) / 4


def layers(b: Builder, x: Value, factor: float = 1.0) -> Value:
    for place, weight in enumerate(WEIGHTS):
        x = b.run("tanh", np.tanh, x @ b.constant(weight))
        if place == 2 and factor != 1.0:
            x = x * factor
    return x


def together(factor: float = 1.0) -> Make:
    return lambda b, x: layers(b, x, factor) @ b.constant(LAST)


def apart(factor: float = 1.0, order: tuple[int, ...] = (0, 1)) -> Make:
    def make(b: Builder, x: Value) -> Value:
        results = [layers(b, x.part(n, n + 1, 0), factor) for n in range(2)]
        return join(*(results[n] for n in order), axis=0) @ b.constant(LAST)

    return make


@pytest.mark.parametrize(("ours", "theirs"), [(together(), apart()), (apart(), together())])
def test_entries_apart_are_no_departure(ours: Make, theirs: Make) -> None:
    matching = compared(ours, theirs)
    assert matching.equal
    assert {one.partition("(")[0] for one in matching.unmatched_operations} <= {"slice"}  # of the input


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (together(), apart(1 + 1e-6)),
        (apart(), together(1 + 1e-6)),
        (together(), apart(order=(1, 0))),
        (apart(order=(1, 0)), together()),
        (together(), lambda b, x: together()(b, x).part(0, 1, 0)),
        (together(), lambda b, x: together()(b, x.part(0, 1, 0))),
    ],
    ids=["wrong apart", "wrong together", "in the wrong order", "in the wrong order there", "cut", "one entry alone"],
)
def test_a_fault_in_entries_apart_departs(ours: Make, theirs: Make) -> None:
    matching = compared(ours, theirs)
    assert not matching.equal
    assert matching.departures


@pytest.mark.parametrize(
    ("ours", "theirs", "departures"), [(together(), apart(1 + 1e-6), 2), (apart(), together(1 + 1e-6), 1)]
)
def test_a_fault_in_entries_apart_is_found_at_its_operation(ours: Make, theirs: Make, departures: int) -> None:
    matching = compared(ours, theirs)
    assert len(matching.departures) == departures
    assert len(matching.groups) == 1
    for departure, explanation in zip(matching.departures, matching.explanations, strict=True):
        assert departure.healed
        assert departure.relation == "1.000001 times the reference's"
        assert explanation.reference.formula == "x @ constant(24, 24)"
        assert explanation.candidate.formula == "x · 1.000001 @ constant(24, 24)"
    assert matching.proven


def test_entries_in_the_wrong_order_are_found_where_they_meet() -> None:
    (departure,) = compared(together(), apart(order=(1, 0))).departures
    assert departure.relation == "the reference's values in another order"
    assert [node.operation for node in departure.candidate] == ["concatenate"]
