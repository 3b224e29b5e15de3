"""Two models that run other operations at one length than at another: positions that are interpolated but for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import parity

WIDTH, TRAINED = 12, 8


class Reference(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, TRAINED, WIDTH))
        self.one, self.two = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        for place, parameter in enumerate(self.parameters()):
            parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(place))

    def forward(self, x: Tensor) -> Tensor:
        table = self.table
        if x.shape[1] != TRAINED:
            table = nn.functional.interpolate(table.transpose(1, 2), size=x.shape[1], mode="linear").transpose(1, 2)
        return self.two(nn.functional.gelu(self.one(x + table)))


def candidate(approx: str) -> Callable[[Any], Any]:
    held = {name: mx.array(value.detach().numpy()) for name, value in Reference().named_parameters()}
    activation = mlx.nn.GELU(approx)

    def call(x: Any) -> Any:
        table, length = held["table"], x.shape[1]
        if length != TRAINED:
            place = np.clip((np.arange(length) + 0.5) * TRAINED / length - 0.5, 0, TRAINED - 1)
            below = np.floor(place).astype(int)
            above, share = np.minimum(below + 1, TRAINED - 1), (place - below)[:, None].astype(np.float32)
            table = table[:, mx.array(below)] * mx.array(1 - share) + table[:, mx.array(above)] * mx.array(share)
        hidden = activation((x + table) @ held["one.weight"].T + held["one.bias"])
        return hidden @ held["two.weight"].T + held["two.bias"]

    return call


def inputs(*lengths: int) -> list[dict[str, np.ndarray]]:
    return [{"x": np.random.default_rng(n).standard_normal((2, n, WIDTH)).astype(np.float32)} for n in lengths]


@pytest.mark.parametrize("lengths", [(TRAINED, 16), (16, TRAINED)])
def test_modules_and_departures_are_found_at_the_first_length(lengths):
    right = parity.compare(Reference, candidate("none"), inputs(*lengths), exact=True)
    assert right.passed and right.modules == (2, 2)
    wrong = parity.compare(Reference, candidate("tanh"), inputs(*lengths), exact=True)
    assert not wrong.passed and wrong.modules == (2, 2)
    (departure,) = wrong.departures
    assert "gelu(x, approximate=none)" in departure and "tanh(" in departure
    assert any("differ from length to length" in note for note in wrong.proof.notes)
