"""Calls whose graphs read and write parts of arrays, sort them or search in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.exact.graph.cases import CASES, Case, case
from tests.exact.operations.strategies import floats, integers


@case("Slice")
def slice_(data: Any) -> Case:
    x = data.draw(floats((5, 6)))
    key = tuple(data.draw(st.slices(size)) for size in x.shape)
    return Case(lambda x: x[key], [x], ulps=0)


def _updated(name: str, change: Callable[[Any, Any, Any], Any]) -> None:
    def draw(data: Any) -> Case:
        x, update = data.draw(floats((5, 4))), data.draw(floats((4,)))
        first, step = data.draw(st.sampled_from([(1, 1), (0, 2), (4, -2)]))
        return Case(lambda x, update: change(x + 0, slice(first, None, step), update), [x, update])

    CASES[name] = draw


def _assign(x: Any, key: Any, value: Any) -> Any:
    x[key] = value
    return x


_updated("SliceUpdate", _assign)
_updated("SliceUpdate sum", lambda x, key, value: x.at[key].add(value))
_updated("SliceUpdate max", lambda x, key, value: x.at[key].maximum(value))
_updated("SliceUpdate min", lambda x, key, value: x.at[key].minimum(value))
_updated("SliceUpdate prod", lambda x, key, value: x.at[key].multiply(value))


def _scattered(name: str, change: Callable[[Any, Any, Any], Any], repeated: bool) -> None:
    def draw(data: Any) -> Case:
        x, update = data.draw(floats((5, 4))), data.draw(floats((3, 4)))
        rows = data.draw(hnp.arrays(np.int32, (3,), elements=st.integers(-5, 4)))
        if not repeated:
            rows = (rows[0] + 5 + np.arange(3, dtype=np.int32)) % 5 - 5
        return Case(lambda x, rows, update: change(x + 0, rows, update), [x, rows, update], terms=4)

    CASES[name] = draw


_scattered("Scatter", _assign, False)
_scattered("Scatter sum", lambda x, key, value: x.at[key].add(value), True)
_scattered("Scatter max", lambda x, key, value: x.at[key].maximum(value), True)
_scattered("Scatter prod", lambda x, key, value: x.at[key].multiply(value), False)


@case("Gather")
def gather(data: Any) -> Case:
    x = data.draw(floats((4, 3, 2)))
    rows = data.draw(integers("int32", (2, 3), -4, 3))
    axis = data.draw(st.integers(0, 1))
    return Case(lambda x, rows: mx.take(x, mx.abs(rows) % x.shape[axis], axis), [x, rows], ulps=0)


@case("Gather two axes")
def gather_two(data: Any) -> Case:
    x = data.draw(floats((4, 3, 2)))
    rows, columns = data.draw(integers("int32", (5,), -4, 3)), data.draw(integers("int32", (2, 1), -3, 2))
    return Case(lambda x, rows, columns: x[rows, columns], [x, rows, columns], ulps=0)


@case("GatherAxis")
def gather_axis(data: Any) -> Case:
    x, places = data.draw(floats((3, 4))), data.draw(integers("int32", (3, 5), -4, 3))
    return Case(lambda x, places: mx.take_along_axis(x, places, 1), [x, places], ulps=0)


@case("ScatterAxis")
def scatter_axis(data: Any) -> Case:
    x, values = data.draw(floats((3, 4))), data.draw(floats((3, 2)))
    places = np.argsort(data.draw(floats((3, 4))), 1)[:, :2].astype(np.int32)
    return Case(lambda x, places, values: mx.put_along_axis(x, places, values, 1), [x, places, values], ulps=0)


@case("MaskedScatter")
def masked_scatter(data: Any) -> Case:
    x, mask = data.draw(floats((3, 4))), data.draw(hnp.arrays(bool, (3, 4)))
    mask[0, 0] = True
    return Case(lambda x, mask, values: _assign(x + 0, mask, values), [x, mask, data.draw(floats((int(mask.sum()),)))])


@case("DynamicSlice")
def dynamic_slice(data: Any) -> Case:
    x, start = data.draw(floats((5, 4))), data.draw(integers("int32", (2,), 0, 2))
    return Case(lambda x, start: mx.slice(x, start, (0, 1), (3, 2)), [x, start], ulps=0)


@case("DynamicSliceUpdate")
def dynamic_slice_update(data: Any) -> Case:
    x, start = data.draw(floats((5, 4))), data.draw(integers("int32", (1,), 0, 3))
    return Case(lambda x, u, start: mx.slice_update(x, u, start, (0,)), [x, data.draw(floats((2, 4))), start], ulps=0)


@case("ArgReduce")
def arg_reduce(data: Any) -> Case:
    function = data.draw(st.sampled_from([mx.argmax, mx.argmin]))
    axis, keep = data.draw(st.integers(-2, 1)), data.draw(st.booleans())
    return Case(lambda x: function(x, axis, keepdims=keep), [data.draw(floats((3, 4)))])


@case("Partition")
def partition(data: Any) -> Case:
    """The kth value is in its place; which of the others stand before it is not promised in order."""
    kth = data.draw(st.integers(0, 5))
    return Case(lambda x: mx.partition(x, kth, 1)[:, kth], [data.draw(floats((3, 6)))], ulps=0)


@case("ArgPartition")
def argpartition(data: Any) -> Case:
    kth = data.draw(st.integers(0, 5))
    x = data.draw(hnp.arrays(np.float32, (6,), elements=st.integers(-50, 50), unique=True))
    return Case(lambda x: mx.argpartition(x, kth)[kth], [x])


@case("SearchSorted")
def searchsorted(data: Any) -> Case:
    right = data.draw(st.sampled_from(["left", "right"]))
    ordered = np.sort(data.draw(hnp.arrays(np.float32, (6,), elements=st.integers(-4, 4))))
    values = data.draw(hnp.arrays(np.float32, (5,), elements=st.integers(-5, 5)))
    return Case(lambda ordered, values: mx.searchsorted(ordered, values, side=right), [ordered, values])
