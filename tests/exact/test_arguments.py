"""How both sides are called: arguments by name whatever the order of keys, and clear errors for what is none."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
import torch

import parity

X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
Y = np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)


class Difference(torch.nn.Module):
    def forward(self, x, y, scale=None):
        return x - 2 * y


class Port(nn.Module):
    def __call__(self, a, b):
        return a - 2 * b


class OtherOrder(nn.Module):
    def __call__(self, y, x):
        return x - 2 * y


@pytest.mark.parametrize("port", [Port, lambda x, y: x - 2 * y])
@pytest.mark.parametrize("keys", ["xy", "yx"])
def test_the_order_of_keys_is_nothing(port, keys):
    given = {key: {"x": X, "y": Y}[key] for key in keys}
    assert parity.compare(Difference(), port() if isinstance(port, type) else port, given).passed


@pytest.mark.parametrize("keys", ["xy", "yx"])
@pytest.mark.parametrize("port", [OtherOrder, lambda a, b: b - 2 * a])
def test_exchanged_arguments_are_seen_in_either_order(port, keys):
    """A port is called by position, in the order of the reference's parameters."""
    given = {key: {"x": X, "y": Y}[key] for key in keys}
    found = parity.compare(Difference(), port() if isinstance(port, type) else port, given, exact=True)
    assert not found.passed
    assert found.proof.swapped


def test_dictionaries_in_the_order_of_keys():
    class Nested(torch.nn.Module):
        def forward(self, batch, y):
            return batch["a"] - 2 * batch["b"] + 3 * y

    given = {"y": Y, "batch/b": Y[:, ::-1].copy(), "batch/a": X}
    assert parity.compare(Nested(), lambda t, y: t["a"] - 2 * t["b"] + 3 * y, given, exact=True).passed


def test_names_on_one_side_alone_are_said():
    found = parity.compare(
        lambda x: {"b": x.sin(), "a": x.cos()}, lambda x: (mx.cos(x), mx.sin(x)), {"x": X}, exact=True
    )
    assert found.passed
    (note,) = (note for note in found.proof.notes if "by name" in note)
    assert note.startswith("the reference gives a, b by name and the port gives no names")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({0: X}, "inputs 0: the key 0 is a int, expected the name of an argument"),
        ({"x": [[1, 2], [3]]}, "inputs 0: x cannot be made an array"),
    ],
)
def test_what_is_no_input_is_refused(given, said):
    with pytest.raises(parity.InputError, match=said):
        parity.compare(lambda x: x.sin(), lambda x: mx.sin(x), given)


def test_a_module_in_a_function_of_the_reference_has_a_hint():
    model = torch.nn.Linear(8, 8)
    with pytest.raises(parity.InputError, match="give the module, or what makes it"):
        parity.compare(lambda x: model(x), nn.Linear(8, 8), {"x": X}, exact=True)


def test_a_reference_in_half_precision_is_refused_on_the_device():
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 8).half().eval()
    port = nn.Linear(8, 8)
    port.load_weights(
        [(name, mx.array(value.float().numpy())) for name, value in model.state_dict().items()], strict=True
    )
    with pytest.raises(parity.InputError, match="give a reference whose weights are float32"):
        parity.compare(model, port, {"input": X})
