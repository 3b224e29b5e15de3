"""The reference in double is the model that was given, whatever it was made with; its program is all that it does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as mlx_nn
import numpy as np
import pytest
import torch

import parity
from parity.exact import torch as exact_torch

SETS = [{"x": np.random.default_rng(n).standard_normal((4, n)).astype(np.float32)} for n in (6, 9)]


@dataclass
class Options:
    factor: float = 2.0


class InDictionary(torch.nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.options = {"factor": factor}

    def forward(self, x):
        return torch.tanh(x) * self.options["factor"]


class InRecord(torch.nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.options = Options(factor)

    def forward(self, x):
        return torch.tanh(x) * self.options.factor


class InClosure(torch.nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.scaled = lambda y: factor * y

    def forward(self, x):
        return self.scaled(torch.tanh(x))


class InPartial(torch.nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.scaled = partial(torch.mul, other=factor)

    def forward(self, x):
        return self.scaled(torch.tanh(x))


class Hidden:
    """What nothing can compare."""

    def __init__(self, factor):
        self.factor = factor


class InObject(torch.nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.options = Hidden(factor)

    def forward(self, x):
        return torch.tanh(x) * self.options.factor


class Plain(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(x)


def hooked():
    model = Plain()
    model.register_forward_hook(lambda module, args, result: 2.001 * result)
    return model


def replaced():
    model = Plain()
    model.forward = lambda x: 2.001 * torch.tanh(x)
    return model


def changed():
    model = InObject()
    model.options.factor = 2.001
    return model


@pytest.mark.parametrize(
    "model",
    [partial(one, 2.001) for one in (InDictionary, InRecord, InClosure, InPartial, InObject)]
    + [hooked, replaced, changed],
)
def test_a_model_is_judged_as_it_was_made(model):
    reference = model()
    assert parity.compare(reference, lambda x: 2.001 * mx.tanh(x), SETS).passed
    assert not parity.compare(reference, lambda x: 2.0 * mx.tanh(x), SETS, exact=True).passed
    assert not parity.compare(reference, lambda x: mx.tanh(x), SETS, exact=True).passed


class Tabled(torch.nn.Module):
    """A table that the constructor computes: in double, the twin's is computed in double too."""

    def __init__(self):
        super().__init__()
        self.options = {"base": 10.0}
        self.register_buffer("table", torch.arange(1.0, 4.0) ** -0.3, persistent=False)

    def forward(self, x):
        return x[:, :3] * self.table


def test_a_twin_is_still_made_anew_where_that_is_right():
    def port(x):
        return x[:, :3] * mx.array(np.arange(1.0, 4.0) ** -0.3)

    found = parity.compare(Tabled(), port, SETS, exact=True)
    assert found.passed
    assert not any("single precision" in note for note in found.proof.notes)


def test_what_is_written_through_numpy_is_refused():
    def reference(x):
        y = x.clone()
        y.numpy()[:, :3] = 0
        return torch.tanh(y)

    with pytest.raises(parity.InputError, match="computed outside of PyTorch's operations"):
        parity.compare(reference, lambda x: mx.tanh(x), SETS, exact=True)


class Unstable(torch.nn.Module):
    """float32 has no digits left of what it gives."""

    def forward(self, x):
        return (x + 3e7) - 3e7


def test_a_model_that_float32_does_not_hold_is_said_to_be():
    found = parity.compare(Unstable(), mlx_nn.Identity(), SETS, exact=True)
    assert any("in float32 is" in note and "from itself in double" in note for note in found.proof.notes)


class Shared(torch.nn.Module):
    """Takes a part that stands elsewhere too; an activation without tensors is shared by all."""

    ACTIVATION = torch.nn.Tanh()

    def __init__(self, part: torch.nn.Module) -> None:
        super().__init__()
        self.part, self.activation = part, self.ACTIVATION
        self.table = torch.arange(7) / 7

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.part(x)) + self.table


@pytest.mark.parametrize("kind", ["the model", "a part"])
def test_what_existed_before_is_not_written_to(kind):
    part = torch.nn.Linear(6, 7)
    model, weight, bias = Shared(part), part.weight, part.bias
    table, before = model.table, weight.detach().clone()

    def build() -> torch.nn.Module:
        return model if kind == "the model" else Shared(part)

    def port(gain: float) -> Any:
        w, b, t = (mx.array(one.detach().numpy()) for one in (weight, bias, table))
        return lambda x: gain * mx.tanh(x @ w.T + b) + t

    given = {"x": np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)}
    assert parity.compare(build, port(1.0), given).passed
    assert not parity.compare(build, port(1.001), given).passed
    assert part.weight is weight and part.bias is bias and model.table is table and part.training
    assert weight.dtype == table.dtype == torch.float32 and weight.requires_grad and torch.equal(weight, before)


def test_a_part_without_tensors_may_be_shared():
    """A table is still computed anew in double."""
    made = exact_torch.twin(lambda: Shared(torch.nn.Linear(6, 7)), Shared(torch.nn.Linear(6, 7)))
    assert torch.equal(made.table, torch.arange(7, dtype=torch.float64) / 7)
