"""Runs of one program at several lengths side by side, and what may be found by its value alone."""

from __future__ import annotations

import numpy as np
import pytest

from parity.base.errors import InputError
from parity.exact.program import Program
from parity.match.matching import match
from parity.match.values import Index, Runs, arranged, informative, neutral

from .builder import Builder

LENGTHS = (9, 12, 17)


def pooled(*shape: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    return tuple(np.random.default_rng((seed, n)).standard_normal((n, *shape)) for n in LENGTHS)


def chunked(x: np.ndarray) -> Program:
    """A step for every four frames: other lengths run other numbers of operations."""
    b = Builder()
    h = b.input(x) * 2.0
    for _ in range(len(x) // 4):
        h = b.run("tanh", np.tanh, h)
    return b.program(h + 1.0)


def test_operations_that_only_some_lengths_run_are_steps_of_their_own() -> None:
    inputs = [[x] for x in pooled(4)]
    runs = Runs([chunked(x) for (x,) in inputs], inputs)
    values = runs.evaluate()
    (last,) = runs.outputs
    for array, (x,) in zip(values[last], inputs, strict=True):
        expected = 2 * x
        for _ in range(len(x) // 4):
            expected = np.tanh(expected)
        np.testing.assert_allclose(array, expected + 1)
    assert [step.nodes.count(None) for step in runs.steps if None in step.nodes] == [2, 2, 2]


def test_programs_of_several_lengths_match() -> None:
    inputs = [[x] for x in pooled(16)]
    programs = [chunked(x) for (x,) in inputs]
    assert match(programs, programs, inputs, inputs).equal


def test_fewer_lengths_than_three_are_refused() -> None:
    inputs = [[x] for x in pooled(4)][:2]
    programs = [chunked(x) for (x,) in inputs]
    with pytest.raises(InputError, match="expected 3 lengths"):
        match(programs, programs, inputs, inputs)
    with pytest.raises(InputError, match="inputs, got"):
        Runs(programs, [[]] * 2)


def test_what_may_be_found_by_its_value() -> None:
    assert informative(pooled(16))
    assert not informative(pooled(2))  # 76 numbers
    assert not informative(tuple(np.ones((n, 16)) for n in LENGTHS))
    assert not informative(tuple(np.eye(n, 40) for n in LENGTHS))
    assert not informative(tuple(np.arange(n * 16) for n in LENGTHS))
    assert neutral(tuple(np.where(np.tri(n), 0.0, -np.inf) for n in LENGTHS))
    assert not neutral(pooled(1))


def test_a_value_is_found_in_one_kind_of_arrangement_at_all_lengths() -> None:
    index = Index()
    values = pooled(16)
    index.add(7, values)
    turned = tuple(array.T for array in values)
    ((key, arrangements, error),) = index.find(turned)
    assert (key, error) == (7, 0.0)
    assert {one.order for one in arrangements} == {(1, 0)}
    mixed = (values[0].T, values[1], values[2])
    assert list(index.find(mixed)) == []
    assert arranged(mixed, values) is None
    other = (values[0], values[1], values[2] + 1e-8)
    assert list(index.find(other)) == []
