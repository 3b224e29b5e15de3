"""Convolutions agree with `mx.conv_general` and `mx.conv_transpose` for every stride, padding, dilation and group."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parity.base.errors import InputError
from parity.exact.operations.convolution import convolve, transposed
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import many, normals


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Inputs, weights and arguments for one, two or three spatial axes; MLX has groups for one and two alone."""
    axes = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3)) if axes < 3 else 1

    def each(least: int, most: int) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=axes, max_size=axes))

    batch, channels, outputs = (draw(st.integers(1, 2)) for _ in range(3))
    x = draw(normals((batch, *each(1, 5), channels * groups)))
    weight = draw(normals((outputs * groups, *each(1, 3), channels)))
    arguments = {
        "stride": each(1, 3),
        "padding_low": each(-1, 3),
        "padding_high": each(-1, 3),
        "kernel_dilation": each(1, 2),
        "input_dilation": each(1, 3),
        "groups": groups,
        "flip": draw(st.booleans()),
    }
    return x, weight, arguments


def general(x: np.ndarray, weight: np.ndarray, arguments: dict[str, Any]) -> np.ndarray:
    named = dict(arguments)
    padding = (named.pop("padding_low"), named.pop("padding_high"))
    return real(mx.conv_general, x, weight, padding=padding, **named)


def fits(x: np.ndarray, weight: np.ndarray, arguments: dict[str, Any]) -> bool:
    """Whether the kernel lies inside the padded inputs: beyond them MLX reads what it has not been given."""
    for axis, taps in enumerate(weight.shape[1:-1]):
        low, high = arguments["padding_low"][axis], arguments["padding_high"][axis]
        size = x.shape[1 + axis] + min(low, 0) + min(high, 0)
        spread = 1 + (size - 1) * arguments["input_dilation"][axis] + max(low, 0) + max(high, 0)
        if size < 1 or spread < 1 + (taps - 1) * arguments["kernel_dilation"][axis]:
            return False
    return True


@given(cases())
@many
def test_any_convolution(case: tuple[np.ndarray, np.ndarray, dict[str, Any]]) -> None:
    x, weight, arguments = case
    assume(fits(x, weight, arguments))
    found = convolve(x.astype(np.float64), weight.astype(np.float64), **arguments)
    total = convolve(np.abs(x).astype(np.float64), np.abs(weight).astype(np.float64), **arguments)
    # The inputs are single precision as they stand, so that they do not move: the sums' part alone is the bound.
    within(general(x, weight, arguments), lambda: found, [], terms=weight[0].size, total=total)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_kernel_beyond_its_inputs_is_refused(stride: int) -> None:
    """MLX gives one output where the kernel hangs over by less than the stride, of numbers behind the inputs."""
    x, weight = np.ones((1, 3, 1)), np.ones((1, 3, 1))
    assert convolve(x, weight, stride).tolist() == [[[3.0]]]
    with pytest.raises(InputError, match="larger than the padded inputs"):
        convolve(x, weight, stride, kernel_dilation=2)
    with pytest.raises(InputError, match="larger than the padded inputs"):
        convolve(x, weight, stride, padding_low=-1)


@given(st.data())
@many
def test_transposed_convolutions(data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, 3))
    groups = data.draw(st.integers(1, 2)) if axes < 3 else 1
    x = data.draw(normals((1, *data.draw(st.lists(st.integers(2, 5), min_size=axes, max_size=axes)), 2 * groups)))
    kernel = data.draw(st.lists(st.integers(1, 4), min_size=axes, max_size=axes))
    weight = data.draw(normals((2 * groups, *kernel, 2)))
    arguments = {
        name: tuple(data.draw(st.lists(st.integers(least, most), min_size=axes, max_size=axes)))
        for name, least, most in [("stride", 1, 4), ("padding", 0, 2), ("dilation", 1, 2), ("output_padding", 0, 1)]
    }
    if axes == 1:
        arguments = {name: value[0] for name, value in arguments.items()}
    try:
        found = transposed(x.astype(np.float64), weight.astype(np.float64), groups=groups, **arguments)
    except InputError:
        assume(False)
    total = transposed(np.abs(x).astype(np.float64), np.abs(weight).astype(np.float64), groups=groups, **arguments)
    actual = real(getattr(mx, f"conv_transpose{axes}d"), x, weight, groups=groups, **arguments)
    within(actual, lambda: found, [], terms=weight[0].size, total=total)


def test_a_faulty_padding_groups_and_flip_are_rejected() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 9, 4)).astype(np.float32)
    weight = random.standard_normal((4, 3, 2)).astype(np.float32)
    right = {"padding_low": [1], "padding_high": [2], "groups": 2, "stride": [2], "flip": False}
    actual = general(x, weight, right)
    total = convolve(np.abs(x), np.abs(weight), **right)
    within(actual, lambda: convolve(x.astype(np.float64), weight, **right), [], terms=6, total=total)
    for fault in ({"padding_low": [2], "padding_high": [1]}, {"flip": True}):
        with pytest.raises(AssertionError, match="times the bound"):
            within(actual, lambda fault=fault: convolve(x, weight, **{**right, **fault}), [], terms=6, total=total)


def test_channels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(4, 3, 2\) does not fit inputs of shape \(1, 9, 4\) in 1 groups"):
        convolve(np.zeros((1, 9, 4)), np.zeros((4, 3, 2)))


def test_a_long_input_is_the_sum_of_its_taps() -> None:
    """Longer than a block, with groups and without, each input and every third: as the definition is written."""
    random = np.random.default_rng(1)
    x = random.standard_normal((2, 30_000, 6))
    for groups, stride in [(1, 1), (1, 3), (2, 1), (6, 3)]:
        weight = random.standard_normal((12, 5, 6 // groups))
        found = convolve(x, weight, stride, 2, 2, groups=groups)
        padded = np.pad(x, ((0, 0), (2, 2), (0, 0))).reshape(2, -1, groups, 6 // groups)
        parts = weight.reshape(groups, 12 // groups, 5, -1)
        taps = [np.einsum("nlgc,goc->nlgo", padded[:, t : t + 30_000 : stride], parts[:, :, t]) for t in range(5)]
        np.testing.assert_allclose(found, np.sum(taps, axis=0).reshape(found.shape), atol=1e-12)
