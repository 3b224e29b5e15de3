"""Work on two streams of a CPU: the same results as on one, on the streams that are said."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from mlx_impl.ops import parallel
from mlx_impl.ops.parallel import beside, halves

pytestmark = pytest.mark.usefixtures("on_cpu")


def seen(calls: list):
    """A function that notes what it is given and on which stream, and doubles its first argument."""

    def f(x, y=None):
        calls.append((x.shape, None if y is None else y.shape, mx.default_stream(mx.cpu)))
        return 2 * x

    return f


@pytest.mark.parametrize(("shape", "axis"), [((2, 3), 0), ((5, 3), 0), ((1, 4, 2), 1)])
def test_halves_are_computed_apart_and_joined(shape, axis):
    x, calls = mx.random.normal(shape), []
    got = halves(seen(calls), x, axis=axis)
    assert np.array_equal(np.array(got), 2 * np.array(x))
    assert [call[0][axis] for call in calls] == [shape[axis] // 2, shape[axis] - shape[axis] // 2]
    assert calls[0][2] != calls[1][2]
    assert mx.default_stream(mx.cpu) == calls[0][2]


def test_arrays_of_length_1_go_to_both_and_none_stays_none():
    calls = []
    halves(seen(calls), mx.ones((4, 2)), mx.ones((1, 7)))
    halves(seen(calls), mx.ones((4, 2)), None)
    assert [call[1] for call in calls] == [(1, 7), (1, 7), None, None]


def test_one_item_and_the_inside_of_a_half_are_not_divided():
    calls = []
    halves(seen(calls), mx.ones((1, 2)))
    assert [call[0] for call in calls] == [(1, 2)]
    calls.clear()
    halves(lambda x: halves(seen(calls), x), mx.ones((4, 2)))
    assert [call[0] for call in calls] == [(2, 2), (2, 2)]


def test_after_an_error_work_is_divided_again():
    with pytest.raises(ZeroDivisionError):
        halves(lambda x: 1 // 0, mx.ones((4, 2)))
    assert not parallel._shared.get()


def test_beside_is_the_second_stream_and_only_inside():
    first = mx.default_stream(mx.cpu)
    with beside():
        assert mx.default_stream(mx.cpu) != first
    assert mx.default_stream(mx.cpu) == first
