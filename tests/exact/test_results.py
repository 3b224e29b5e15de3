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
