"""Cumulative operations agree with MLX's in every direction, of every dtype."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.base.errors import InputError
from parity.exact.operations.scan import scan
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import INTEGERS, few, floats, integers, normals, shapes

NAMES = {"sum": "cumsum", "prod": "cumprod", "max": "cummax", "min": "cummin", "logaddexp": "logcumsumexp"}


@pytest.mark.parametrize("kind", NAMES)
@given(st.data())
@few
def test_floats(kind: str, data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 6)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    reverse, inclusive = data.draw(st.booleans()), data.draw(st.booleans())
    actual = real(getattr(mx, NAMES[kind]), x, axis, reverse=reverse, inclusive=inclusive)
    found = scan(x.astype(np.float64), kind, axis, reverse, inclusive)
    total = scan(np.abs(x).astype(np.float64), kind, axis, reverse, inclusive)
    # Each of the sums of logarithms is rounded as one of numbers, and as its exponential is.
    size = {"sum": total, "prod": total, "logaddexp": 1 + np.abs(x).max()}.get(kind, 0.0)
    within(actual, lambda: found, [], terms=2 * x.shape[axis], total=size)


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
@given(st.data())
@few
def test_integers_and_booleans(kind: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([*INTEGERS, "bool"]))
    if dtype == "bool" and kind in ("max", "min"):
        dtype = "uint8"
    x = data.draw(integers(dtype, shapes(1, 2, 6)))
    axis = data.draw(st.integers(0, x.ndim - 1))
    reverse, inclusive = data.draw(st.booleans()), data.draw(st.booleans())
    actual = real(getattr(mx, NAMES[kind]), x, axis, reverse=reverse, inclusive=inclusive)
    found = scan(x, kind, axis, reverse, inclusive)
    np.testing.assert_array_equal(found, actual)
    assert found.dtype == actual.dtype


@pytest.mark.parametrize("kind", ["max", "min", "sum"])
@given(floats(shapes(1, 1, 6), edges=True))
@few
def test_edge_values(kind: str, x: np.ndarray) -> None:
    if kind == "sum":
        x = np.where(np.abs(x) < 1e3, np.round(x), np.where(np.isfinite(x), 1, x)).astype(np.float32)
    np.testing.assert_array_equal(scan(x.astype(np.float64), kind, 0), real(getattr(mx, NAMES[kind]), x, 0))


def test_nothing_and_one_value() -> None:
    assert scan(np.zeros((0, 2)), "sum", 0, inclusive=False).shape == (0, 2)
    assert scan(np.array([3.0]), "max", 0, inclusive=False).tolist() == [-np.inf]
    assert scan(np.array([3], np.int8), "min", 0, inclusive=False).tolist() == [127]


def test_a_wrong_direction_and_a_missing_value_are_rejected() -> None:
    x = np.arange(1, 5, dtype=np.float32)
    actual = real(mx.cumsum, x, 0, reverse=True)
    within(actual, lambda: scan(x, "sum", 0, reverse=True), [], terms=4, total=10)
    for fault in ({"reverse": False}, {"reverse": True, "inclusive": False}):
        with pytest.raises(AssertionError, match="times the bound"):
            within(actual, lambda fault=fault: scan(x, "sum", 0, **fault), [], terms=4, total=10)
    with pytest.raises(InputError, match="got 'mean'"):
        scan(x, "mean", 0)
