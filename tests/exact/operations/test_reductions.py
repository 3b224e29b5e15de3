"""Reductions agree with MLX's over any axes, of every dtype, and where nothing is left to reduce."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.exact.operations import reductions
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import INTEGERS, few, floats, integers, many, normals, shapes


@st.composite
def axes(draw: st.DrawFn, ndim: int) -> Any:
    """One axis, several, or all."""
    several = draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))]
    return draw(st.sampled_from([None, draw(st.integers(-ndim, ndim - 1)), list(several)]))


def count(x: np.ndarray, axis: Any) -> int:
    chosen = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    return int(np.prod([x.shape[each] for each in chosen]))


@given(st.data())
@few
def test_softmax_and_logsumexp(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 5), data.draw(st.sampled_from([1.0, 30.0]))))
    axis, keepdims = data.draw(axes(x.ndim)), data.draw(st.booleans())
    found = reductions.softmax(x.astype(np.float64), axis)
    actual = real(mx.softmax, x, axis)
    # The difference to the largest value is rounded too, and its exponential is off by as much.
    moved = found * (1 + reductions.reduce(x, "max", axis, True) - x)
    within(actual, lambda x: reductions.softmax(x, axis), [x], terms=count(x, axis) + 1, total=moved, flushed=True)
    actual = real(mx.logsumexp, x, axis, keepdims)
    within(actual, lambda x: reductions.logsumexp(x, axis, keepdims), [x], terms=count(x, axis), total=1.0)


@given(floats(shapes(2, 2, 4), -5, 5, edges=True))
@many
def test_softmax_and_logsumexp_of_edge_values(x: np.ndarray) -> None:
    x = np.where(np.abs(x) < 100, np.where(np.abs(x) < 1e-30, 0, x), np.where(np.isfinite(x), 7, x)).astype(np.float32)
    for definition, function in [(reductions.softmax, mx.softmax), (reductions.logsumexp, mx.logsumexp)]:
        np.testing.assert_allclose(real(function, x, -1), definition(x.astype(np.float64), -1), rtol=1e-5, atol=1e-6)


def test_where_all_is_hidden() -> None:
    hidden = np.full((1, 3), -np.inf, np.float32)
    assert np.isnan(reductions.softmax(hidden)).all()
    assert np.isnan(real(mx.softmax, hidden, -1)).all()
    assert reductions.logsumexp(hidden, -1).tolist() == real(mx.logsumexp, hidden, -1).tolist() == [-np.inf]


@given(st.data())
@few
def test_moments(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 5)))
    axis, keepdims, ddof = data.draw(axes(x.ndim)), data.draw(st.booleans()), data.draw(st.integers(0, 1))
    n = count(x, axis)
    largest = float(np.abs(x).max())
    actual = real(mx.mean, x, axis, keepdims)
    within(actual, lambda x: reductions.mean(x, axis, keepdims), [x], terms=n, total=largest)
    if n == 1 and ddof == 1:
        return
    actual = real(mx.var, x, axis, keepdims, ddof)
    # The mean's rounding moves every difference; differences are as large as twice the largest value.
    size = 4 * largest**2 * n / (n - ddof)
    within(actual, lambda x: reductions.variance(x, axis, keepdims, ddof), [x], terms=n, total=size)
    found = reductions.standard_deviation(x.astype(np.float64), axis, keepdims, ddof)
    np.testing.assert_allclose(found**2, reductions.variance(x.astype(np.float64), axis, keepdims, ddof), atol=1e-12)
    np.testing.assert_allclose(real(mx.std, x, axis, keepdims, ddof), found, atol=1e-5)


@given(st.data())
@few
def test_median(data: st.DataObject) -> None:
    x = data.draw(floats(shapes(1, 3, 5)))
    axis, keepdims = data.draw(axes(x.ndim)), data.draw(st.booleans())
    within(real(mx.median, x, axis, keepdims), lambda x: reductions.median(x, axis, keepdims), [x])


@pytest.mark.parametrize("kind", ["sum", "prod", "min", "max", "and", "or"])
@given(st.data())
@few
def test_integers_and_booleans(kind: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([*INTEGERS, "bool"]))
    x = data.draw(integers(dtype, shapes(1, 3, 5)))
    axis, keepdims = data.draw(axes(x.ndim)), data.draw(st.booleans())
    name = {"and": "all", "or": "any"}.get(kind, kind)
    actual = real(getattr(mx, name), x, axis, keepdims)
    found = reductions.reduce(x, kind, axis, keepdims)
    np.testing.assert_array_equal(found, actual)
    assert found.dtype == actual.dtype


@pytest.mark.parametrize("kind", ["min", "max", "and", "or"])
@given(floats(shapes(1, 2, 5), edges=True))
@few
def test_edge_values(kind: str, x: np.ndarray) -> None:
    name = {"and": "all", "or": "any"}.get(kind, kind)
    np.testing.assert_array_equal(reductions.reduce(x, kind, 0), real(getattr(mx, name), x, 0))


def test_of_nothing_and_of_one_value() -> None:
    """MLX itself is not asked for a sum of nothing: its loop over no axis does not always end."""
    nothing = np.zeros((0, 3), np.float32)
    assert np.isnan(reductions.mean(nothing, 0)).all()
    assert reductions.softmax(nothing, 0).shape == (0, 3)
    assert reductions.reduce(nothing, "prod", 0).tolist() == [1, 1, 1]
    pair = np.array([1.0, 2.0], np.float32)
    for ddof in (2, 3):
        assert reductions.variance(pair, ddof=ddof) == real(mx.var, pair, ddof=ddof) == np.inf


def test_a_complex_variance_is_real() -> None:
    z = np.array([1 + 2j, 3 - 1j], np.complex64)
    assert reductions.variance(z) == pytest.approx(3.25)
    assert real(mx.var, z).real == pytest.approx(3.25)


def test_a_wrong_count_and_axis_are_rejected() -> None:
    x = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    actual = real(mx.var, x, 0)
    within(actual, lambda x: reductions.variance(x, 0), [x], terms=4, total=4.0)
    for fault in ({"axis": 0, "ddof": 1}, {"axis": 1}):
        with pytest.raises(AssertionError, match="times the bound"):
            within(actual, lambda x, fault=fault: reductions.variance(x, **fault), [x], terms=4, total=4.0)
    with pytest.raises(AssertionError, match="times the bound"):
        within(real(mx.softmax, x, 0), reductions.softmax, [x], terms=4, total=1.0)
