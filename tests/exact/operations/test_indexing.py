"""Reading and writing at indices give the very values that MLX's primitives give."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parity.base.errors import InputError
from parity.exact.operations import indexing
from tests.exact.operations.real import real
from tests.exact.operations.strategies import few, many, normals, shapes

MODES = ["none", "sum", "prod", "max", "min"]


def primitives(function: Any, *arrays: np.ndarray) -> list[dict[str, Any]]:
    """The primitives that MLX would run, with their arguments: what those of Gather and Scatter mean is tested here."""
    events: list[dict[str, Any]] = []
    mx.export_function(events.append, function, *[mx.array(each) for each in arrays])
    return [event for event in events if event["type"] == "primitive"]


@st.composite
def chosen(draw: st.DrawFn, size: int, shape: tuple[int, ...], dtype: str = "int32") -> np.ndarray:
    """Indices of an axis, negative and repeated ones among them."""
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(-size, size, shape).astype(dtype)


@given(st.data())
@many
def test_arrays_of_indices_read_as_in_mlx(data: st.DataObject) -> None:
    """x[i, :, j] becomes Gather, whose axes and sizes say what to read."""
    x = data.draw(normals(shapes(1, 3, 5)))
    shape = data.draw(shapes(0, 2, 3))
    axes = sorted(data.draw(st.permutations(range(x.ndim)))[: data.draw(st.integers(1, x.ndim))])
    indices = [data.draw(chosen(x.shape[axis], shape)) for axis in axes]
    sizes = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    found = indexing.gather(x, indices, axes, sizes)
    assert found.shape == (*shape, *sizes)
    expected = np.empty_like(found)
    for place in np.ndindex(*shape):
        begin = [0] * x.ndim
        for axis, each in zip(axes, indices, strict=True):
            begin[axis] = int(each[place]) % x.shape[axis]
        expected[place] = x[tuple(slice(a, a + n) for a, n in zip(begin, sizes, strict=True))]
    np.testing.assert_array_equal(found, expected)
    if axes == list(range(len(axes))):
        np.testing.assert_array_equal(
            found.reshape((*shape, *x.shape[len(axes) :])), real(lambda x, *i: x[i], x, *indices)
        )


@given(st.data())
@many
def test_the_primitive_gather(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(2, 3, 5)))
    axis = data.draw(st.integers(0, x.ndim - 1))
    index = data.draw(chosen(x.shape[axis], data.draw(shapes(1, 2, 3))))
    taken = [each for each in primitives(lambda x, i: mx.take(x, i, axis), x, index) if each["name"] == "Gather"]
    assume(taken)
    axes, sizes = taken[0]["arguments"]
    found = indexing.gather(x, [index], axes, sizes)
    assert found.shape == tuple(taken[0]["outputs"][0][1])
    expected = real(lambda x, i: mx.take(x, i, axis), x, index)
    np.testing.assert_array_equal(
        np.moveaxis(np.squeeze(found, index.ndim + axis), range(index.ndim), range(axis, axis + index.ndim)), expected
    )


@given(st.data())
@many
def test_slices_longer_than_one(data: st.DataObject) -> None:
    """Written and read back: Scatter and Gather are each other's inverse, on every axis and size."""
    x = data.draw(normals(shapes(2, 3, 5)))
    axes = data.draw(st.permutations(range(x.ndim)))[:2]
    sizes = [data.draw(st.integers(1, size)) for size in x.shape]
    starts = [np.array([data.draw(st.integers(0, x.shape[axis] - sizes[axis]))], np.int64) for axis in axes]
    window = [slice(0, size) for size in sizes]
    for axis, start in zip(axes, starts, strict=True):
        window[axis] = slice(int(start[0]), int(start[0]) + sizes[axis])
    np.testing.assert_array_equal(indexing.gather(x, starts, axes, sizes)[0], x[tuple(window)])
    update = data.draw(normals((1, *sizes)))
    written = indexing.scatter(x, starts, update, axes)
    np.testing.assert_array_equal(written[tuple(window)], update[0])
    assert np.count_nonzero(written != x) <= update.size


@pytest.mark.parametrize("mode", MODES)
@given(st.data())
@few
def test_scatter(mode: str, data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 5)))
    index = data.draw(chosen(x.shape[0], data.draw(shapes(1, 2, 4))))
    updates = data.draw(normals((*index.shape, *x.shape[1:])))
    if mode == "none":
        _, first = np.unique(index % x.shape[0], return_index=True)
        index, updates = index.reshape(-1)[first], updates.reshape(-1, *x.shape[1:])[first]
    name = {"none": None, "sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}[mode]

    def written(x: mx.array, i: mx.array, u: mx.array) -> mx.array:
        if name is not None:
            return getattr(x.at[i], name)(u)
        x[i] = u
        return x

    found = indexing.scatter(
        x.astype(np.float64), [index], updates[(..., None, *[slice(None)] * (x.ndim - 1))], [0], mode
    )
    actual = real(written, x, index, updates)
    (np.testing.assert_allclose if mode in ("sum", "prod") else np.testing.assert_array_equal)(
        actual, found, **({"rtol": 1e-5, "atol": 1e-5} if mode in ("sum", "prod") else {})
    )


def test_of_repeated_indices_each_takes_part_and_the_last_stays() -> None:
    x, index, updates = np.zeros(3), np.array([1, 1, -1]), np.array([[2.0], [3.0], [5.0]])
    assert indexing.scatter(x, [index], updates, [0], "sum").tolist() == [0, 5, 5]
    assert indexing.scatter(x, [index], updates, [0]).tolist() == [0, 3, 5]
    assert indexing.scatter(np.ones(3), [index], updates, [0], "prod").tolist() == [1, 6, 5]
    small = np.array([100, 200], np.uint8)
    assert indexing.scatter(small, [np.array([1, 1])], np.array([[100], [100]], np.uint8), [0], "sum").tolist() == [
        100,
        144,
    ]


@given(st.data())
@many
def test_along_one_axis(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 5)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    shape = list(x.shape)
    shape[axis] = data.draw(st.integers(1, 4))
    dtype = data.draw(st.sampled_from(["int32", "int64", "uint32"]))
    index = data.draw(chosen(x.shape[axis], tuple(shape)))
    index = (index % x.shape[axis] if dtype == "uint32" else index).astype(dtype)
    np.testing.assert_array_equal(indexing.gather_axis(x, index, axis), real(mx.take_along_axis, x, index, axis=axis))
    shape[axis] = min(shape[axis], x.shape[axis])
    order = np.argsort(data.draw(normals(x.shape)), axis=axis)
    unique = np.take(order, range(shape[axis]), axis)
    updates = data.draw(normals(tuple(shape)))
    np.testing.assert_array_equal(
        indexing.scatter_axis(x, unique, updates, axis), real(mx.put_along_axis, x, unique, updates, axis=axis)
    )
    total = np.array(x, np.float64)
    for place in np.ndindex(*index.shape):
        target = list(place)
        target[axis] = int(index[place])
        total[tuple(target)] += 1.0
    np.testing.assert_array_equal(
        indexing.scatter_axis(x.astype(float), index, np.ones(index.shape), axis, "sum"), total
    )


@st.composite
def windows(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    """Start, stop and stride of each axis, as a program of MLX's writes them: also negative and beyond the ends."""
    strides = [draw(st.sampled_from([1, 2, 3, -1, -2])) for _ in shape]
    ends = [[draw(st.integers(-size - 2, size + 2)) for size in shape] for _ in range(2)]
    return ends[0], ends[1], strides


@given(st.data())
@many
def test_slices_are_those_of_mlx(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 6)))
    start, stop, stride = data.draw(windows(x.shape))
    cut = tuple(slice(a, b, c) for a, b, c in zip(start, stop, stride, strict=True))
    expected = real(lambda x: x[cut], x)
    found = x[indexing.windows(x.shape, start, stop, stride)]
    assert found.shape == expected.shape == x[cut].shape
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", MODES)
@given(st.data())
@few
def test_slices_are_written_as_in_mlx(mode: str, data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 6)))
    start, stop, stride = data.draw(windows(x.shape))
    cut = tuple(slice(a, b, c) for a, b, c in zip(start, stop, stride, strict=True))
    update = data.draw(normals(x[cut].shape))
    name = {"none": None, "sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}[mode]

    def written(x: mx.array, u: mx.array) -> mx.array:
        if name is not None:
            return getattr(x.at[cut], name)(u)
        x[cut] = u
        return x

    found = indexing.slice_update(x.astype(np.float64), update, start, stop, stride, mode)
    np.testing.assert_array_equal(real(written, x, update), found.astype(np.float32))


@given(st.data())
@many
def test_dynamic_slices(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 6)))
    sizes = [data.draw(st.integers(1, size)) for size in x.shape]
    axes = data.draw(st.permutations(range(x.ndim)))[: data.draw(st.integers(1, x.ndim))]
    start = np.array([data.draw(st.integers(0, x.shape[axis] - sizes[axis])) for axis in axes], np.int32)
    np.testing.assert_array_equal(
        indexing.dynamic_slice(x, start, axes, sizes), real(mx.slice, x, start, axes=axes, slice_size=sizes)
    )
    update = data.draw(normals(tuple(sizes)))
    np.testing.assert_array_equal(
        indexing.dynamic_slice_update(x, update, start, axes), real(mx.slice_update, x, update, start, axes)
    )


@given(st.data())
@many
def test_masked_scatter(data: st.DataObject) -> None:
    x = data.draw(normals(shapes(1, 3, 5)))
    mask = data.draw(normals(x.shape)) > 0
    assume(mask.any())
    values = data.draw(normals((int(mask.sum()),)))

    def written(x: mx.array, m: mx.array, v: mx.array) -> mx.array:
        x[m] = v
        return x

    found = indexing.masked_scatter(x[None], mask[None], values[None])[0]
    np.testing.assert_array_equal(found, real(written, x, mask, values))


def test_what_lies_outside_is_refused() -> None:
    x = np.arange(6.0).reshape(2, 3)
    with pytest.raises(InputError, match="indices reach from 2 to 2 on axis 0"):
        indexing.gather(x, [np.array([2])], [0], [1, 3])
    with pytest.raises(InputError, match="indices reach from -1"):
        indexing.scatter(x, [np.array([-3])], np.ones((1, 1, 3)), [0])
    with pytest.raises(InputError, match=r"a slice of \(1, 3\) from \(0, 1\) leaves"):
        indexing.dynamic_slice(x, np.array([1]), [1], [1, 3])
    with pytest.raises(InputError, match="a mask of 2 true values"):
        indexing.masked_scatter(x[:1, :2], np.ones((1, 2), bool), np.ones((1, 1)))
    with pytest.raises(InputError, match="mode is 'none'"):
        indexing.scatter(x, [np.array([1])], np.ones((1, 1, 3)), [0], "mean")


def test_a_value_put_one_place_off_is_noticed() -> None:
    x, update = np.zeros((4, 3), np.float32), np.ones((2, 3), np.float32)
    actual = real(mx.slice_update, x, update, np.array([1], np.int32), (0,))
    np.testing.assert_array_equal(indexing.dynamic_slice_update(x, update, np.array([1]), [0]), actual)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(indexing.dynamic_slice_update(x, update, np.array([2]), [0]), actual)
