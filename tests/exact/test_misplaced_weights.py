"""Weights that hold the reference's numbers in another order: the sentence names both tensors, and what to do."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch

import parity

Weights = dict[str, np.ndarray]


class Reference(torch.nn.Module):
    """`x (B, T, 8)` -> `(B, T, 5)`: a convolution, and attention of one head without values of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(8, 8)
        self.conv = torch.nn.Conv1d(8, 8, 3, padding=1)
        self.q, self.k = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
        self.out = torch.nn.Linear(8, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.conv(torch.tanh(self.first(x)).transpose(1, 2)).transpose(1, 2))
        return self.out(torch.softmax(self.q(h) @ self.k(h).transpose(1, 2) / 3, -1) @ h)


class Candidate(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = mlx.nn.Linear(8, 8)
        self.conv = mlx.nn.Conv1d(8, 8, 3, padding=1)
        self.q, self.k = mlx.nn.Linear(8, 8), mlx.nn.Linear(8, 8)
        self.out = mlx.nn.Linear(8, 20)

    def __call__(self, x: mx.array) -> mx.array:
        h = mx.maximum(self.conv(mx.tanh(self.first(x))), 0)
        return self.out(mx.softmax(self.q(h) @ self.k(h).swapaxes(1, 2) / 3, -1) @ h)


def turned(name: str, *order: int) -> Callable[[Weights], Weights]:
    return lambda weights: {name: weights[name].transpose(order)}


def exchanged(*names: str) -> Callable[[Weights], Weights]:
    return lambda weights: {f"{a}.{name}": weights[f"{b}.{name}"] for a, b in ("qk", "kq") for name in names}


def one_row(weights: Weights) -> Weights:
    weight = weights["out.weight"].copy()
    weight[3] *= 1.01
    return {"out.weight": weight}


FIRST = "first.weight of the port is first.weight of the reference "
CONV = "conv.weight of the port is conv.weight of the reference "


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (turned("first.weight", 1, 0), FIRST + "transposed: transpose it"),
        (turned("conv.weight", 2, 1, 0), CONV + "transposed, its axes in the order 2, 1, 0"),
        (lambda weights: {"conv.weight": weights["conv.weight"][:, ::-1]}, CONV + "with axis 1 reversed"),
        (lambda weights: {"first.weight": -weights["first.weight"]}, FIRST + "with the other sign"),
        (
            lambda weights: {"first.weight": weights["first.weight"].reshape(2, 4, 8).swapaxes(0, 1).reshape(8, 8)},
            FIRST + "with axis 0 interleaved otherwise, read as 2 x 4",
        ),
        (exchanged("weight", "bias"), "k.weight of the port is q.weight of the reference, and q.weight is k.weight"),
        (exchanged("weight"), "k.weight of the port is q.weight of the reference, and q.weight is k.weight"),
        (one_row, "out.weight of the port is out.weight of the reference but for entry 3 of axis 0, of 20"),
        (lambda weights: {}, ""),
    ],
    ids=["linear", "kernel", "taps", "sign", "heads", "q and k", "their weights", "row", "right"],
)
def test_the_weight_is_named_and_what_it_is_to_the_references(change, said):
    torch.manual_seed(0)
    reference, candidate = Reference().eval(), Candidate()
    arrays = {name: value.numpy() for name, value in reference.state_dict().items()}
    weights = {name: array.swapaxes(1, 2) if array.ndim == 3 else array for name, array in arrays.items()}
    weights |= change(weights)
    turned = [(name, mx.array(np.ascontiguousarray(array))) for name, array in weights.items()]
    candidate.load_weights(turned, strict=True)
    mx.eval(candidate.parameters())
    sets = [{"x": np.random.default_rng(n).standard_normal((2, n, 8)).astype(np.float32)} for n in (13, 17)]
    found = parity.compare(reference, candidate, sets, exact=True)
    assert found.passed == (not said)
    assert any(said in departure for departure in found.departures) or not said, str(found)
