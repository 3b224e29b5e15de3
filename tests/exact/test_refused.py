"""Models and options that cannot be judged: each is refused with what was got and what to do, and its like accepted."""

from __future__ import annotations

from functools import partial

import mlx.core as mx
import numpy as np
import pytest
import torch

import parity

X = {"input": np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)}


def linear(**options):
    torch.manual_seed(0)
    return torch.nn.Linear(6, 7, **options)


class Recurrent(torch.nn.Module):
    def __init__(self, dtype):
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.LSTM(6, 7).to(dtype)

    def forward(self, input):
        return self.inner(input)[1][0] * 0


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (partial(linear, device="meta"), "weight is on the meta device, where nothing has values: make the model on"),
        (partial(torch.nn.LazyLinear, 7), "weight is lazy and has no shape yet: call the model once"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_module_without_values_is_refused_on_either_side(model, said, swapped):
    with pytest.raises(parity.InputError, match=said):
        parity.compare(*[linear(), model()][:: -1 if swapped else 1], X)


def test_a_reference_that_refuses_float32_says_how_it_can_be_judged():
    zeros = lambda x: mx.zeros((1, 7)) * x[0, 0]  # noqa: E731
    with pytest.raises(parity.InputError, match=r"does not \(ValueError: RNN input dtype.*float32, or leave"):
        parity.compare(Recurrent(torch.float64), zeros, X)
    assert parity.compare(Recurrent(torch.float64), zeros, X, exact=True).passed
    assert parity.compare(Recurrent(torch.float32), zeros, X).passed


@pytest.mark.parametrize("scale", [1.0, 1.001])
def test_weights_in_float8_are_read(scale):
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(linear().weight.to(torch.float8_e4m3fn), requires_grad=False)
    model.forward = lambda input: input @ model.weight.to(input.dtype).T
    weight = mx.array(model.weight.float().numpy() * np.float32(scale))
    assert parity.compare(model, lambda x: x @ weight.T, X).passed == (scale == 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"axes": [3]}, "--axes 3: expected 'name: axes of the reference"),
        ({"rules": [parity.Rule("*", "*", "3", "3", "texts")]}, "its bounds 0 or more"),
        ({"rules": [parity.Rule("*", "*", float("nan"), 2.0, "no number")]}, "its bounds 0 or more"),
    ],
)
def test_options_that_are_none_are_refused(options, said):
    with pytest.raises(parity.InputError, match=said):
        parity.compare(lambda input: torch.tanh(input), lambda x: mx.tanh(x), X, **options)


def test_one_rule_needs_no_list():
    rule = parity.Rule("*", "*", 3.0, 3.0, "wider")
    assert parity.compare(lambda input: torch.tanh(input), lambda x: mx.tanh(x), X, rules=rule).passed
