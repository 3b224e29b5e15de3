"""What both sides give: read alike whatever holds it, by name where it has names, and refused where nothing judges."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
import pytest
import torch

import parity

X = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)


class ModelOutput(OrderedDict):
    """As libraries of models give one."""


class Pair(NamedTuple):
    """Not in the order of the alphabet."""

    logits: Any
    hidden: Any


@dataclass
class Held:
    logits: Any
    hidden: Any
    loss: Any = None


def sides(one: Any, other: Any, swap: bool = False) -> tuple[Any, Any]:
    """Two functions that give a sine as `logits` and a cosine as `hidden`; with `swap` the port's are exchanged."""
    first, second = (mx.cos, mx.sin) if swap else (mx.sin, mx.cos)
    return (
        lambda x: one(logits=torch.sin(x), hidden=torch.cos(x)),
        lambda x: other(logits=first(x), hidden=second(x)),
    )


@pytest.mark.parametrize("other", [dict, ModelOutput, Pair, Held])
@pytest.mark.parametrize("one", [dict, ModelOutput, Pair, Held])
def test_names_decide(one, other):
    found = parity.compare(*sides(one, other), {"x": X}, exact=True)
    assert found.passed, str(found)
    places = ["hidden", "logits"] if one is dict else ["logits", "hidden"]
    assert f"output 0 is {places[0]}, output 1 is {places[1]}" in found.proof.notes
    assert not any("gives no names" in note for note in found.proof.notes)
    found = parity.compare(*sides(one, other, swap=True), {"x": X}, exact=True)
    assert not found.passed and found.proof.swapped


def test_names_decide_on_the_device_too():
    assert parity.compare(*sides(ModelOutput, dict), {"x": X}).passed
    assert not parity.compare(*sides(ModelOutput, dict, swap=True), {"x": X}).passed


@pytest.mark.parametrize("one", [ModelOutput, Pair, Held])
def test_a_result_without_names_is_in_the_order_of_the_other(one):
    found = parity.compare(sides(one, dict)[0], lambda x: (mx.sin(x), mx.cos(x)), {"x": X}, exact=True)
    assert found.passed
    assert found.proof.notes[0].startswith("the reference gives logits, hidden by name and the port gives no names")
    assert not parity.compare(sides(one, dict)[0], lambda x: (mx.cos(x), mx.sin(x)), {"x": X}, exact=True).passed


def test_names_within_a_result():
    def reference(x):
        return x.exp(), {"b": x.sin(), "a": [x.cos()]}

    found = parity.compare(reference, lambda x: [x.exp(), ModelOutput(b=x.sin(), a=(x.cos(),))], {"x": X}, exact=True)
    assert found.passed, str(found)
    with pytest.raises(parity.InputError, match="in 1 the reference gives a, b, the port b, c: give the same keys"):
        parity.compare(reference, lambda x: (x.exp(), {"b": x.sin(), "c": x.cos()}), {"x": X}, exact=True)
    assert not parity.compare(reference, lambda x: (x.exp(), {"a": x.sin(), "b": x.cos()}), {"x": X}, exact=True).passed


@pytest.mark.parametrize("kind", [Pair, Held, ModelOutput])
def test_numbers_are_refused_in_whatever_holds_them(kind):
    with pytest.raises(parity.InputError, match=r"a result holds 3 \(int\), which is not judged"):
        parity.compare(
            lambda x: kind(logits=x.sin(), hidden=3), lambda x: kind(logits=x.sin(), hidden=4), {"x": X}, exact=True
        )


def test_a_complex_output_in_another_layout():
    x = {"x": np.random.default_rng(0).standard_normal((2, 3, 16)).astype(np.float32)}
    found = parity.compare(torch.fft.rfft, lambda x: mx.fft.rfft(x).transpose(0, 2, 1), x)
    assert found.passed, str(found)
    assert found.proof.outputs[0].order == (0, 2, 1)
    assert not parity.compare(torch.fft.rfft, lambda x: mx.fft.rfft(x).transpose(0, 2, 1).conj(), x).passed


def attention(q, k):
    return torch.softmax(q @ k.mT, -1)


def transposed(q, k):
    return mx.softmax(q @ k.swapaxes(-1, -2), -1).swapaxes(-1, -2)


def queries(*lengths: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.standard_normal((2, n, 4)).astype(np.float32) for name, n in zip("qk", lengths, strict=True)}


def test_axes_that_are_equally_long_and_stand_in_another_order_are_said():
    said = "output 0: axes 1 and 2 are equally long (5) and stand in another order in the port"
    found = parity.compare(attention, transposed, [queries(5, 5), queries(7, 7)], exact=True)
    assert any(note.startswith(said) for note in found.proof.notes)
    for given, options in (([queries(5, 5), queries(7, 5)], {}), (queries(5, 5), {"axes": "output: b q k -> b k q"})):
        found = parity.compare(attention, transposed, given, exact=True, **options)
        assert found.passed and not any(note.startswith("output 0") for note in found.proof.notes)
    assert not parity.compare(attention, transposed, queries(5, 5), exact=True, axes="output: b q k -> b q k").passed


@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_an_output_that_nothing_reaches_is_said(bias):
    first, last = torch.nn.Linear(6, 16), torch.nn.Linear(16, 7)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    last.bias.data += bias * torch.arange(7)
    numbers = mx.array(last.bias.detach().numpy())
    found = parity.compare(
        torch.nn.Sequential(first, last), lambda x: x @ mx.zeros((6, 7)) + numbers, {"input": X}, exact=True
    )
    what = "is the same numbers in every row" if bias else "is 0 everywhere"
    assert f"output 0 {what}: what it is made of is not proven; give weights or inputs that reach it" in (
        found.proof.notes
    )
    torch.nn.init.ones_(last.weight)
    weights = [mx.array(one.detach().numpy()) for one in (first.weight, first.bias)]
    found = parity.compare(
        torch.nn.Sequential(first, last),
        lambda x: (x @ weights[0].T + weights[1]) @ mx.ones((16, 7)) + numbers,
        {"input": X},
        exact=True,
    )
    assert found.passed and not any("what it is made of" in note for note in found.proof.notes)


def test_a_torch_function_as_port_is_told_its_source():
    with pytest.raises(parity.InputError, match='a function of PyTorch is a port with source="torch"'):
        parity.compare(torch.tanh, lambda x: torch.tanh(x), {"x": X})
    assert parity.compare(torch.tanh, lambda x: torch.tanh(x), {"x": X}, source="torch").passed
    assert not parity.compare(torch.tanh, lambda x: torch.sin(x), {"x": X}, source="torch").passed
