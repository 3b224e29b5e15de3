"""Departures of one wrong line are one thing that is said once; a departure that is an output is said to be it."""

from __future__ import annotations

import numpy as np
import pytest

from parity.match.groups import summary
from parity.match.matching import Matching, match
from parity.show.proof import departure_lines

from . import test_departures
from .builder import Builder

FURTHER = "the same at 1 further place: 1.norm1"


def run(*faults: str) -> Matching:
    return match(*test_departures.run(*faults))


def test_one_line_that_is_wrong_in_every_layer_is_one_thing() -> None:
    matching = run("0.epsilon", "1.epsilon")
    assert len(matching.departures) == 2
    (group,) = matching.groups
    assert str(group) == FURTHER
    assert summary(matching.groups) == "2 departures, 1 different one"
    assert matching.as_dict()["groups"] == [{"departures": [0, 1], "further": FURTHER}]


def test_other_lines_and_other_formulas_are_other_things() -> None:
    for faults in (("0.epsilon", "1.tanh"), ("0.epsilon",)):
        matching = run(*faults)
        assert [group.others for group in matching.groups] == [()] * len(faults)
        assert [str(group) for group in matching.groups] == [""] * len(faults)
        assert summary(matching.groups) == ""


def test_groups_are_told_apart_and_keep_their_count() -> None:
    matching = run("0.epsilon", "1.epsilon", "0.tanh", "1.tanh")
    assert len(matching.departures) == 4
    assert [group.names for group in matching.groups] == [("1.norm1",), ("1.activation",)]
    assert summary(matching.groups) == "4 departures, 2 different ones"


@pytest.mark.parametrize("last", [True, False])
def test_a_departure_that_is_the_output_is_said_to_be_it(last: bool) -> None:
    def programs(factor: float) -> list:
        made = []
        for x in test_departures.INPUTS:
            b = Builder()
            h = b.run("tanh", lambda x: x**3, b.input(x)) * factor
            made.append(b.program(h if last else h.reshape(*x.shape, 1) + 1.0))
        return made

    given = [[x] for x in test_departures.INPUTS]
    matching = match(programs(1.0), programs(1.1), given, given)
    (departure,), (explanation,) = matching.departures, matching.explanations
    text = list(departure_lines(departure, explanation))
    assert departure.output == (0 if last else None)
    assert ("  it is output 0 of the port: nothing follows" in text) == last
    assert any("what follows is equal" in line for line in text) != last
    assert not any("not equal" in line for line in text)


def test_an_output_of_indices_that_differs_is_shown_by_both_formulas() -> None:
    def programs(offset: int) -> list:
        made = []
        for x in test_departures.INPUTS:
            b = Builder()
            digits = b.run("round", np.round, b.run("tanh", np.tanh, b.input(x)) * 3.0)
            tokens = b.run("astype", lambda x: x.astype(np.int32), digits)
            made.append(b.program(b.run("add", lambda x: x + offset, tokens, other=offset)))
        return made

    given = [[x] for x in test_departures.INPUTS]
    assert match(programs(1), programs(1), given, given).equal
    matching = match(programs(1), programs(2), given, given)
    (departure,), (explanation,) = matching.departures, matching.explanations
    assert (departure.kind, departure.output) == ("differs", 0)
    assert (explanation.reference.formula[-3:], explanation.candidate.formula[-3:]) == ("+ 1", "+ 2")
    assert matching.proven
