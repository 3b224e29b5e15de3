"""Arrangements of arrays: found where there is one, refused where there is none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.match.arrangement import BOUND, Arrangement, difference, find, guesses, relative_error


@st.composite
def arranged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """An array, and the same with its axes split, transposed and merged at will."""
    split = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    values = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(split)
    if draw(st.booleans()):
        values = np.maximum(values, 0)
    order = draw(st.permutations(range(len(split))))

    def merged(shape: tuple[int, ...]) -> tuple[int, ...]:
        cuts = [0, *sorted(draw(st.sets(st.integers(1, len(shape) - 1))) if len(shape) > 1 else []), len(shape)]
        return tuple(int(np.prod(shape[a:b])) for a, b in pairwise(cuts))

    turned = values.transpose(order)
    return values.reshape(merged(values.shape)), turned.reshape(merged(turned.shape))


@settings(deadline=None, max_examples=150)
@given(arranged())
def test_any_arrangement_is_found_and_undone(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, candidate = pair
    found = find(candidate, reference)
    assert found is not None
    np.testing.assert_array_equal(found.apply(reference, candidate.shape), candidate)
    np.testing.assert_array_equal(found.invert(candidate, reference.shape), reference)


@settings(deadline=None, max_examples=50)
@given(arranged(), st.integers(0, 10**6))
def test_one_value_moved_is_no_arrangement(pair: tuple[np.ndarray, np.ndarray], place: int) -> None:
    reference, candidate = pair
    scale = np.sqrt(np.mean(reference**2)) or 1.0
    moved = candidate.copy()
    moved.flat[place % moved.size] += 1e-8 * scale
    assert find(moved, reference) is None


def test_sorted_values_are_no_arrangement() -> None:
    values = np.random.default_rng(0).standard_normal((6, 8))
    assert find(np.sort(values, axis=None).reshape(6, 8), values) is None
    assert find(values[:, ::-1], values) is None


def test_the_bound_is_in_units_of_the_rms() -> None:
    values = 1000 * np.random.default_rng(0).standard_normal((6, 8))
    scale = float(np.sqrt(np.mean(values**2)))
    moved = values.copy()
    moved[2, 3] += 0.9 * BOUND * scale
    assert find(moved, values) is not None
    moved[2, 3] += 0.2 * BOUND * scale
    assert find(moved, values) is None


def test_infinite_values_are_equal_to_the_same_alone() -> None:
    values = np.where(np.tril(np.ones((5, 5), bool)), np.random.default_rng(0).standard_normal((5, 5)), -np.inf)
    assert difference(values, values) == 0
    assert difference(-values, values) == np.inf
    assert difference(np.where(np.isinf(values), -1e30, values), values) == np.inf
    assert find(values.T, values) is not None


def test_zeros_are_equal_to_zeros_alone() -> None:
    assert difference(np.zeros(3), np.zeros(3)) == 0
    assert difference(np.full(3, 1e-300), np.zeros(3)) == np.inf


def test_guesses_have_the_shape_and_are_distinct() -> None:
    found = list(guesses((3, 2, 4), (2, 3, 4)))
    assert [a.apply(np.arange(24), (3, 2, 4)).shape for a in found] == [(3, 2, 4)] * len(found)
    assert len(set(found)) == len(found) == 2
    assert list(guesses((24,), (2, 3, 4))) == [Arrangement((24,), (0,))]


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_relative_error(factor: float) -> None:
    values = np.random.default_rng(0).standard_normal(50)
    assert relative_error(values * factor, values) == pytest.approx(1 - factor)


@pytest.mark.parametrize("mask", [-1e10, float(np.finfo(np.float32).min), -np.inf])
def test_masked_scores_are_judged_by_those_that_are_not_masked(mask):
    generator = np.random.default_rng(0)
    hidden = np.triu(np.ones((5, 5), bool), 1)
    scores, others = (np.where(hidden, mask, generator.standard_normal((2, 3, 5, 5))) for _ in range(2))
    assert difference(scores + 1e-12, scores) < 1e-11
    assert difference(others, scores) > 1
    assert find(scores.swapaxes(1, 2), scores) is not None
    assert find(others, scores) is None
    assert relative_error(others, scores) > 0.5
    assert difference(np.where(hidden, 2 * mask, scores), scores) > 0.5 or np.isinf(mask)
