"""Torch modules rounded at random: float32 lies within what is drawn, and products of less are far beyond."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from parity.base.metrics import rms, rmse
from parity.exact.rounding import RUNS, Floors, Rounding
from parity.exact.torch.rounding import rounded

torch.manual_seed(0)
MODULES = {
    "linear": (torch.nn.Linear(48, 32), torch.randn(20, 48)),
    "conv": (torch.nn.Conv1d(16, 32, 5, padding=2, stride=2), torch.randn(2, 16, 40)),
    "conv_transpose": (torch.nn.ConvTranspose1d(16, 8, 4, 2), torch.randn(2, 16, 20)),
    "layer_norm": (torch.nn.LayerNorm(64), torch.randn(30, 64) + 2),
    "group_norm": (torch.nn.GroupNorm(4, 16), torch.randn(3, 16, 20)),
    "softmax": (torch.nn.Softmax(-1), 3 * torch.randn(20, 30)),
    "silu": (torch.nn.SiLU(), torch.randn(20, 30)),
    "lstm": (torch.nn.LSTM(16, 32), torch.randn(12, 2, 16)),
    "transformer": (torch.nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), torch.randn(2, 20, 64)),
}


def output(module: torch.nn.Module, x: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        found = module(x)
    found = found[0] if isinstance(found, tuple) else found
    return (found.float() if found.dtype == torch.bfloat16 else found).numpy().copy()


@pytest.mark.parametrize("name", MODULES)
def test_float32_is_within_what_is_drawn(name):
    module, x = MODULES[name]
    single, double = module.eval(), copy.deepcopy(module).double().eval()
    exact = output(double, x.double())
    own = Floors({"": exact})
    for number in range(RUNS):
        with rounded(Rounding(name, number)):
            own.add({"": output(double, x.double())})
    floor = own.largest()[""]
    assert 1e-8 < floor / rms(exact) < 3e-6
    assert 0.05 < rmse(output(single, x), exact) / floor < 2
    half = output(copy.deepcopy(single).bfloat16(), x.bfloat16())
    assert rmse(half, exact) > 100 * floor


def test_inputs_and_parameters_are_left_alone():
    module, x = torch.nn.Linear(8, 8).double(), torch.randn(4, 8).double() / 3
    kept, weight = x.clone(), module.weight.detach().clone()
    with torch.no_grad(), rounded(Rounding("", 0)):
        module(x.view(2, 2, 8).transpose(0, 1))
    assert torch.equal(x, kept)
    assert torch.equal(module.weight, weight)
