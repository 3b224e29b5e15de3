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


class Optional(torch.nn.Module):
    """`mask` may be left out before `scale`."""

    def forward(self, x, mask=None, scale=None):
        y = torch.tanh(x)
        y = y if mask is None else y + mask
        return y if scale is None else y * scale


def masked_or_scaled(x, mask=None, scale=None):
    y = mx.tanh(x)
    y = y if mask is None else y + mask
    return y if scale is None else y * scale


def by_the_mask(x, mask=None, scale=None):
    return mx.tanh(x) if mask is None else mx.tanh(x) * mask


def by_keyword_alone(x, *, mask=None, scale=None):
    return masked_or_scaled(x, mask, scale)


@pytest.mark.parametrize("keys", [("x", "scale"), ("scale", "x")])
@pytest.mark.parametrize(
    ("port", "right"),
    [
        (masked_or_scaled, True),
        (by_the_mask, False),
        (by_keyword_alone, True),
        (lambda inputs, mask=None, scale=None: masked_or_scaled(inputs, mask, scale), True),
        (lambda x, **given: masked_or_scaled(x, **given), True),
        (lambda a, b: masked_or_scaled(a, None, b), True),
        (lambda a, b: masked_or_scaled(b, None, a), False),
    ],
    ids=["right", "wrong", "keyword-only", "first renamed", "anything", "no other way", "exchanged"],
)
def test_what_stands_behind_an_argument_that_is_left_out_goes_by_name(port, right, keys):
    given = {key: {"x": X, "scale": Y}[key] for key in keys}
    assert parity.compare(Optional(), port, given, exact=True).passed is right


def test_arguments_by_name_are_so_on_the_device():
    assert parity.compare(Optional(), masked_or_scaled, {"x": X, "scale": Y}).passed
    assert not parity.compare(Optional(), by_the_mask, {"x": X, "scale": Y}).passed


def test_keyword_only_arguments_without_a_gap():
    given = {"x": X, "mask": Y, "scale": X[::-1].copy()}
    assert parity.compare(Optional(), by_keyword_alone, given, exact=True).passed
    assert not parity.compare(Optional(), lambda x, *, mask, scale: masked_or_scaled(x, scale, mask), given).passed


def test_an_argument_that_the_port_may_leave_out_before_one_that_is_given():
    port = masked_or_scaled
    assert parity.compare(lambda x, scale: x.tanh() * scale, port, {"x": X, "scale": Y}, exact=True).passed
    assert not parity.compare(lambda x, scale: x.tanh() + scale, port, {"x": X, "scale": Y}, exact=True).passed


@pytest.mark.parametrize(
    "port", [lambda x, bias=None, gain=None: x, lambda x, *, gain=None: x], ids=["by position", "by keyword"]
)
def test_a_port_without_the_names_that_are_needed(port):
    with pytest.raises(parity.InputError, match=r"gain, and no scale\. An input that does not stand"):
        parity.compare(Optional(), port, {"x": X, "scale": Y}, exact=True)
