"""Recurrences: all steps together in one program, one by one in the other, more of them at some lengths."""

from __future__ import annotations

import numpy as np
import pytest

from parity.exact.program import Program
from parity.match import trials
from parity.match.matching import Matching, match
from parity.match.values import Runs

from .builder import Builder, Value, join

RNG = np.random.default_rng(7)
INTO, DECAY = RNG.standard_normal((12, 16)), RNG.standard_normal((12, 16)) / 8
OUT = RNG.standard_normal((16, 16))


def exp(b: Builder, x: Value) -> Value:
    return b.run("exp", np.exp, x)


def step(x: Value, place: int) -> Value:
    cut = x.builder.run("select", lambda a: a[:, place], x, index=place)
    return cut.reshape(2, 1, x.shape[-1])


def together(b: Builder, x: Value) -> Value:
    """What depends on a step's input alone is computed for all steps at once."""
    given, decay = x @ b.constant(INTO), exp(b, -exp(b, x @ b.constant(DECAY)))
    state, made = step(given, 0), []
    for place in range(x.shape[1]):
        if place:
            state = step(decay, place) * state + step(given, place)
        made.append(state)
    return join(*made, axis=1) @ b.constant(OUT)


def apart(b: Builder, x: Value, fault: str = "") -> Value:
    """All of a step at once."""
    state, made = None, []
    into, decay, out = b.constant(INTO), b.constant(DECAY), b.constant(OUT)
    for place in range(x.shape[1]):
        now = step(x, place)
        new = now @ into
        if state is not None:
            power = exp(b, now @ decay)
            state = new + exp(b, -power * 1.1 if fault == "scaled" else -power) * state
        state = new if state is None or fault == "forgets" else state
        made.append(state @ out)
    return join(*made, axis=1)


def programs(make, lengths: tuple[int, ...]) -> tuple[list[Program], list[list[np.ndarray]]]:
    found, inputs = [], []
    for length in lengths:
        b = Builder()
        x = np.random.default_rng(length).standard_normal((2, length, 12))
        found.append(b.program(make(b, b.input(x))))
        inputs.append([x])
    return found, inputs


def compared(fault: str = "", lengths: tuple[int, ...] = (6,)) -> Matching:
    (ours, given), (theirs, taken) = (programs(make, lengths) for make in (together, lambda b, x: apart(b, x, fault)))
    return match(ours, theirs, given, taken, least=1)


@pytest.mark.parametrize("lengths", [(6,), (6, 9)])
def test_steps_apart_are_no_departure(lengths: tuple[int, ...]) -> None:
    assert compared(lengths=lengths).equal


def test_a_fault_at_every_step_departs_at_its_operation() -> None:
    matching = compared("scaled")
    assert matching.proven
    (group,) = matching.groups
    assert len(group.others) == 4  # the first of six steps has no state before
    explanation = matching.explanations[group.first]
    assert (explanation.reference.formula, explanation.candidate.formula) == ("exp(x)", "exp(x · 1.1)")


def test_what_every_step_lacks_is_named() -> None:
    matching = compared("forgets")
    assert matching.proven
    assert [departure.kind for departure in matching.departures][1:] == ["missing"] * 4
    last = matching.explanations[-1]
    assert (last.reference.formula, last.candidate.formula) == ("x · y + z", "z")
    assert set(last.names.values()) == {"select", "add"}


def test_the_first_steps_of_two_lengths_are_the_same() -> None:
    for make in (together, apart):
        runs = Runs(*programs(make, (6, 9)))
        alone = [step.node.operation for step in runs.steps if None in step.nodes]
        assert len(alone) == len(runs.programs[1].nodes) - len(runs.programs[0].nodes)
        assert "concatenate" not in alone  # of six states, and of nine
        values = runs.evaluate()
        assert [array.shape for array in values[runs.outputs[0]] if array is not None] == [(2, 6, 16), (2, 9, 16)]


def at_once(b: Builder, x: Value) -> Value:
    """A sum over time, the last step counted most."""
    weights = b.constant(0.9 ** np.arange(x.shape[1])[::-1].reshape(-1, 1))
    return (x * weights).sum(1) @ b.constant(INTO)


def in_a_long_loop(b: Builder, x: Value, most: int) -> Value:
    """The same sum, none of whose states the other program has."""
    state = step(x, 0)
    for place in range(1, x.shape[1]):
        state = state + step(x, place) * 0.9 ** -min(place, most)
    return (state * 0.9 ** (x.shape[1] - 1)).reshape(2, 12) @ b.constant(INTO)


@pytest.mark.parametrize("most", [99, 30])
def test_a_long_loop_whose_result_is_equal_has_no_departure(most: int) -> None:
    (ours, given), (theirs, taken) = (
        programs(make, (100,)) for make in (at_once, lambda b, x: in_a_long_loop(b, x, most))
    )
    matching = match(ours, theirs, given, taken, least=1)
    assert matching.equal == (most == 99)
    assert bool(matching.departures) == (most != 99)


def test_a_search_that_is_cut_short_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compared("scaled")
    monkeypatch.setattr(trials, "WORK", 10)
    cut = compared("scaled")
    assert not whole.notes and all(departure.healed for departure in whole.departures)
    assert "the search ended after" in cut.notes[0] and not all(departure.healed for departure in cut.departures)
