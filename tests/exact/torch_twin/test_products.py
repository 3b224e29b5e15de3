"""Products of two rows: another kernel, the same values, and only where it applies."""

import numpy as np
import pytest
import torch
from torch import nn

from parity.exact.torch import products


@pytest.mark.parametrize("outputs", [1024, 1025])
@pytest.mark.parametrize("bias", [True, False])
def test_two_rows_times_a_large_matrix(monkeypatch: pytest.MonkeyPatch, outputs: int, bias: bool) -> None:
    layer = nn.Linear(512, outputs, bias=bias, dtype=torch.float64)
    x = torch.randn(2, 1, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected, called = layer(x), list[torch.Size]()
    original = products._linear
    monkeypatch.setattr(products, "_linear", lambda *args: called.append(args[0].shape) or original(*args))
    with products.TwoRows(), torch.inference_mode():
        actual = layer(x)
    assert called == [x.shape]
    assert actual.shape == (2, 1, outputs)
    np.testing.assert_allclose(actual.numpy(), expected.detach().numpy(), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("rows", "dtype", "outputs"),
    [(1, torch.float64, 1024), (3, torch.float64, 1024), (2, torch.float32, 1024), (2, torch.float64, 8)],
    ids=["one row", "three rows", "single precision", "small matrix"],
)
def test_everything_else_is_pytorchs(rows: int, dtype: torch.dtype, outputs: int) -> None:
    layer, x = nn.Linear(512, outputs, dtype=dtype), torch.ones(rows, 512, dtype=dtype)
    with products.TwoRows():
        assert torch.equal(layer(x), torch.addmm(layer.bias, x, layer.weight.T))
