"""Polynomials and bit tricks of the port's CPU path against their definitions: at most four units of the last place.

They are what a run in double has no place for, where the plain function stands for each. So each is compared as it runs
in float32, over all that it is for: a dense grid, and what hypothesis finds.
"""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from mlx_impl.ops import functional as F
from mlx_impl.ops import lstm
from mlx_impl.ops.cpu import activations, exponential

ULP = 4.0
SMALLEST = float(np.finfo(np.float32).tiny)
Function = Callable[[np.ndarray], np.ndarray]


def mish(x: np.ndarray) -> np.ndarray:
    """x tanh(softplus(x)), without cancellation."""
    e = np.exp(-np.abs(x))
    below, above = (e * e + 2 * e) / (e * e + 2 * e + 2), (1 + 2 * e) / (1 + 2 * e + 2 * e * e)
    return np.asarray(x * np.where(x < 0, below, above))


def gate(position: int, others: tuple[float, float, float, float], cell: float) -> Callable[[mx.array], mx.array]:
    """The cell behind a step of an LSTM as a function of one of its gates: input, forget, cell or output.

    The `others` are open at 110 and shut at -110.
    """

    def run(x: mx.array) -> mx.array:
        gates = [x if place == position else mx.full(x.shape, value) for place, value in enumerate(others)]
        return lstm.step(lstm.scaled(mx.concatenate(gates)).reshape(4, 1, -1), mx.full((1, 1, x.size), cell))[1][0, 0]

    return run


def hidden(x: mx.array) -> mx.array:
    """The hidden value behind a step of an LSTM as a function of the cell, which an open gate keeps."""
    gates = [mx.full(x.shape, value) for value in (-110.0, 110.0, 0.0, 110.0)]
    return lstm.step(lstm.scaled(mx.concatenate(gates)).reshape(4, 1, -1), x[None, None])[0][0, 0]


def sine_squared(x: mx.array) -> mx.array:
    """sin(x)^2, as Snake has it."""
    return activations._from_square(activations._reduced_square(x, mx.ones(x.shape)))


KERNELS: dict[str, tuple[Callable[[mx.array], mx.array], Function, float, float]] = {
    "exp": (F.exp, np.exp, -87.0, 88.7),
    "silu": (F.silu, lambda x: x * special.expit(x), -80.0, 200.0),
    "sigmoid": (F.sigmoid, special.expit, -87.0, 200.0),
    "gelu": (F.gelu, lambda x: x * special.ndtr(x), -12.5, 200.0),
    "mish": (F.mish, mish, -80.0, 200.0),
    "attention, e^x": (exponential.exp_below_0, np.exp, -87.0, 0.0),
    "attention, 2^x": (exponential.exp2_below_0, np.exp2, -126.0, 0.0),
    "LSTM, sigmoid": (gate(1, (-110.0, 0.0, 0.0, -110.0), 1.0), special.expit, -86.0, 86.0),
    "LSTM, tanh of a gate": (gate(2, (110.0, -110.0, 0.0, -110.0), 0.0), np.tanh, -86.0, 86.0),
    "LSTM, tanh of the cell": (hidden, np.tanh, -43.0, 43.0),
    "Snake, sin^2": (sine_squared, lambda x: np.sin(x) ** 2, -np.pi / 2, np.pi / 2),
}
"""A kernel, its definition in double, and between which numbers it is used and has normal results."""


def ulps(name: str, x: np.ndarray) -> np.ndarray:
    """The error of a kernel in units of the last place of the result, at float32 values of `x`."""
    kernel, definition, *_ = KERNELS[name]
    ours = np.array(kernel(mx.array(x))).astype(np.float64)
    truth = definition(x.astype(np.float64))
    return np.abs(ours - truth) / np.spacing(np.maximum(np.abs(truth), SMALLEST).astype(np.float32))


def grid(low: float, high: float, count: int = 1 << 16) -> np.ndarray:
    """All over a range evenly, and near 0 down to the smallest numbers."""
    near = np.geomspace(1e-30, max(-low, high), count)
    both = np.concatenate([np.linspace(low, high, count), near, -near, [0.0, low, high]]).astype(np.float32)
    return both[(both >= low) & (both <= high)]


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_its_definition_over_a_dense_grid(name):
    _, _, low, high = KERNELS[name]
    x = grid(low, high)
    found = ulps(name, x)
    worst = int(np.argmax(found))
    assert found[worst] <= ULP, f"{found[worst]:.2f} ulp at {x[worst]!r}"


@pytest.mark.parametrize("name", KERNELS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_a_kernel_is_its_definition_anywhere(name, data):
    _, _, low, high = KERNELS[name]
    values = st.floats(np.float32(low).item(), np.float32(high).item(), width=32)
    x = np.array(data.draw(st.lists(values, min_size=1, max_size=40)), np.float32)
    assert ulps(name, x).max() <= ULP


def test_the_sine_of_many_turns_is_off_by_less_than_four_units_of_one():
    """Near a multiple of pi the square is small, and what is left of many turns is off by their rounding."""
    x = np.concatenate([grid(-4000.0, 4000.0), np.float32(np.pi) * np.arange(-1000, 1000, dtype=np.float32)])
    ours = np.array(sine_squared(mx.array(x))).astype(np.float64)
    assert np.abs(ours - np.sin(x.astype(np.float64)) ** 2).max() <= ULP * np.spacing(np.float32(1))


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_five_units_off_is_found(name, monkeypatch):
    kernel, *rest = KERNELS[name]
    monkeypatch.setitem(KERNELS, name, (lambda x: kernel(x) * (1 + 10 * 2.0**-23), *rest))
    _, _, low, high = KERNELS[name]
    assert ulps(name, grid(low, high)).max() > ULP
