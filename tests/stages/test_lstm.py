"""mlx_impl.ops.lstm against float64, with PyTorch's own float32 error as the yardstick."""

import math

import mlx.core as mx
import numpy as np
import pytest
import torch

from mlx_impl.ops import lstm
from parity.base.draws import normal
from tests.stages.accuracy import judge, worst_ulp

pytestmark = pytest.mark.usefixtures("on_cpu")


def of_torch(gates: np.ndarray, cell: np.ndarray, dtype: torch.dtype) -> list[np.ndarray]:
    enter, forget, new, leave = torch.from_numpy(gates).to(dtype).split(1)
    cell = forget.sigmoid() * torch.from_numpy(cell).to(dtype) + enter.sigmoid() * new.tanh()
    return [(leave.sigmoid() * cell.tanh()).numpy(), cell.numpy()]


def gates_and_cell(spread: float) -> tuple[np.ndarray, np.ndarray]:
    return spread * normal("lstm", "gates", (4, 50, 64)), normal("lstm", "cell", (1, 50, 64))


def step(gates: np.ndarray, cell: np.ndarray) -> list[np.ndarray]:
    """Of gates as they are."""
    return [np.array(x) for x in lstm.step(lstm.scaled(mx.array(gates.reshape(-1, *gates.shape[2:]))), mx.array(cell))]


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_a_step_is_as_accurate_as_torch(spread):
    given = gates_and_cell(np.float32(spread))
    ours = step(*given)
    torch32, truth = (of_torch(*given, dtype) for dtype in (torch.float32, torch.float64))
    for each in zip(ours, torch32, truth, strict=True):
        assert judge(*each) == []
        assert len(judge(each[0] * np.float32(1 + 10 * 2**-24), *each[1:])) == 2


def sigmoid_and_tanh(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As a step has them: of a gate that keeps a cell of 1, and of what enters a cell of 0 by an open gate."""
    zero = np.zeros_like(x)
    shut, opened = zero - 110, zero + 110
    _, kept = step(np.stack([shut, x, zero, shut])[:, None], zero[None, None] + 1)
    _, entered = step(np.stack([opened, shut, x, shut])[:, None], zero[None, None])
    return kept[0, 0], entered[0, 0]


@pytest.mark.parametrize("span", [1e-30, 1e-3, 1.0, 12.0, 86.0])
def test_sigmoid_and_tanh_of_a_step_are_within_a_few_ulp(span):
    x = np.linspace(-span, span, 200_001).astype(np.float32)
    wide = torch.from_numpy(x).double()
    sigmoid, tanh = sigmoid_and_tanh(x)
    assert worst_ulp(sigmoid, torch.special.expit(wide).numpy()) <= 2.5
    assert worst_ulp(tanh, wide.tanh().numpy()) <= 3.0
    assert worst_ulp(tanh * np.float32(1 + 4 * 2**-23), wide.tanh().numpy()) > 3.0


def test_extreme_gates():
    x = np.float32([0, 1e-45, -1e-45, 200, -200, 1e5, -1e5, 2e6, -2e6])
    sigmoid, tanh = sigmoid_and_tanh(x)
    np.testing.assert_allclose(sigmoid, [0.5, 0.5, 0.5, 1, 0, 1, 0, 1, 0], rtol=0, atol=1e-38)
    np.testing.assert_array_equal(tanh, np.float32([0, 1e-45, -1e-45, 1, -1, 1, -1, 1, -1]))
    hidden, cell = step(np.full((4, 1, 1), math.nan, np.float32), np.zeros((1, 1, 1), np.float32))
    assert np.isnan(hidden).all()
    assert np.isnan(cell).all()


def test_a_gpu_takes_its_own_functions(monkeypatch):
    given = gates_and_cell(np.float32(1.0))
    ours = step(*given)
    monkeypatch.setattr(lstm, "on_gpu", lambda: True)
    native = step(*given)
    for a, b in zip(ours, native, strict=True):
        np.testing.assert_allclose(b, a, rtol=3e-6, atol=1e-6)
    assert not all(np.array_equal(a, b) for a, b in zip(ours, native, strict=True))


def test_a_step_in_half_precision_keeps_it():
    gates, cell = (mx.array(x).astype(mx.float16) for x in gates_and_cell(np.float32(1.0)))
    hidden, cell = lstm.step(gates, cell)
    assert hidden.dtype == cell.dtype == mx.float16


@pytest.mark.parametrize(("gates", "cell"), [((2, 16), (1, 2, 4)), ((4, 2, 4), (2, 4)), ((3, 2, 4), (1, 2, 4))])
def test_other_shapes_are_refused(gates, cell):
    with pytest.raises(ValueError, match=r"expected \(4, P, c\) and \(1, P, c\)"):
        lstm.step(mx.zeros(gates), mx.zeros(cell))
