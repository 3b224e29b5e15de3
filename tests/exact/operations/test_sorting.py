"""Orders, indices among ties and NaN are MLX's where it promises them; of a partition its own promise is tested."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.exact.operations import sorting
from tests.exact.operations.real import real
from tests.exact.operations.strategies import INTEGERS, floats, integers, many, shapes


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, int | None]:
    """Arrays with many equal values, edge values among them, and an axis."""
    dtype = draw(st.sampled_from(["float32", "bool", *INTEGERS]))
    shape = draw(shapes(1, 3, 6))
    x = draw(floats(shape, -3, 3, edges=True)) if dtype == "float32" else draw(integers(dtype, shape, 0, 3))
    return np.round(x) if dtype == "float32" else x, draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))


@given(arrays())
@many
def test_sort_and_argsort(case: tuple[np.ndarray, int | None]) -> None:
    x, axis = case
    np.testing.assert_array_equal(sorting.sort(x, axis), real(mx.sort, x, axis))
    found = sorting.argsort(x, axis)
    assert found.dtype == np.uint32
    if not (x.dtype.kind == "f" and np.isnan(x).sum() > 1):
        np.testing.assert_array_equal(found, real(mx.argsort, x, axis))
    else:
        flat = x.reshape(-1) if axis is None else x
        np.testing.assert_array_equal(np.take_along_axis(flat, found, axis or 0), sorting.sort(x, axis))


@given(arrays(), st.booleans())
@many
def test_the_largest_and_the_smallest(case: tuple[np.ndarray, int | None], keepdims: bool) -> None:
    x, axis = case
    np.testing.assert_array_equal(sorting.argmax(x, axis, keepdims), real(mx.argmax, x, axis, keepdims))
    np.testing.assert_array_equal(sorting.argmin(x, axis, keepdims), real(mx.argmin, x, axis, keepdims))


def test_of_equal_values_the_first_is_the_largest() -> None:
    x = np.array([[1.0, 3.0, 3.0], [np.nan, 1.0, 2.0], [-np.inf, np.nan, np.nan]], np.float32)
    assert sorting.argmax(x, 1).tolist() == real(mx.argmax, x, 1).tolist() == [1, 0, 1]
    assert sorting.argmin(x, 1).tolist() == real(mx.argmin, x, 1).tolist() == [0, 0, 1]


@given(arrays(), st.data())
@many
def test_partitions_keep_their_promise(case: tuple[np.ndarray, int | None], data: st.DataObject) -> None:
    """Ours and MLX's hold the same value at kth, and the same set of values before it."""
    x, axis = case
    flat, along = (x.reshape(-1), 0) if axis is None else (x, axis)
    size = flat.shape[along]
    kth = data.draw(st.integers(-size, size - 1))
    place = kth % size
    found, actual = sorting.partition(x, kth, axis), real(mx.partition, x, kth, axis)
    chosen = [sorting.argpartition(x, kth, axis), real(mx.argpartition, x, kth, axis)]
    by_index = [np.take_along_axis(flat, each, along) for each in chosen]
    for one in (actual, *by_index):
        np.testing.assert_array_equal(np.take(one, place, along), np.take(found, place, along))
        for part in (range(place), range(place, size)):
            np.testing.assert_array_equal(
                np.sort(np.take(one, part, along), along), np.sort(np.take(found, part, along), along)
            )


@given(arrays(), st.data())
@many
def test_topk(case: tuple[np.ndarray, int | None], data: st.DataObject) -> None:
    x, axis = case
    size = x.size if axis is None else x.shape[axis]
    k = data.draw(st.integers(1, size))
    found, actual = sorting.topk(x, k, axis), real(mx.topk, x, k, axis)
    along = 0 if axis is None else axis
    np.testing.assert_array_equal(np.sort(found, along), np.sort(actual, along))
    if k == size and axis is not None:
        np.testing.assert_array_equal(found, x)


@given(st.data())
@many
def test_searchsorted(data: st.DataObject) -> None:
    ordered = np.sort(np.round(data.draw(floats(shapes(1, 1, 8), -3, 3, edges=True))))
    values = np.round(data.draw(floats(shapes(1, 2, 5), -4, 4, edges=True)))
    for right in (False, True):
        found = sorting.searchsorted(ordered, values, right)
        np.testing.assert_array_equal(found, real(mx.searchsorted, ordered, values, side="right" if right else "left"))
        assert found.dtype == np.uint32


@given(st.data())
@many
def test_unique(data: st.DataObject) -> None:
    x = data.draw(integers("int32", shapes(1, 2, 4), -2, 3))
    size = data.draw(st.integers(1, x.size + 2))
    fill = data.draw(st.sampled_from([None, 9]))
    actual = real(mx.unique, x, size, True, True, True, fill_value=fill)
    for one, other in zip(sorting.unique(x, size, fill), actual, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def test_the_last_of_equal_values_is_rejected() -> None:
    """What a sort that is not stable gives."""
    x = np.array([1, 0, 1, 0], np.float32)
    actual = real(mx.argsort, x)
    np.testing.assert_array_equal(sorting.argsort(x), actual)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(3 - sorting.argsort(x[::-1]), actual)
