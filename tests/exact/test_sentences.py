"""What a comparison says of single outputs, sets and lines: each has its own figure, and no line is of the engine."""

from __future__ import annotations

import traceback

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
import torch

import parity


def arrays(*lengths):
    return [{"input": np.random.default_rng(n).standard_normal((n, 6)).astype(np.float32)} for n in lengths]


def test_each_set_of_inputs_has_its_own_figure_and_word():
    def port(x):
        return x * (1.001 if len(x) > 4 else 1)

    found = parity.compare(lambda input: input * 1, port, arrays(3, 8))
    assert [verdict.word for verdict in found.verdicts] == ["equal", "wrong"]
    assert found.verdicts[0].mathematics == 0 < found.verdicts[1].mathematics
    assert not found.passed


@pytest.mark.parametrize("off", [0, 1])
@pytest.mark.parametrize("kind", ["empty", "infinite"])
def test_outputs_without_a_number_are_equal_where_they_are_alike(kind, off):
    def reference(input):
        return input * 2, input[:0] if kind == "empty" else torch.full_like(input, -torch.inf)

    def port(x):
        return x * 2, x[:0] if kind == "empty" else mx.full(x.shape, -mx.inf) * (-1) ** off

    found = parity.compare(reference, port, arrays(3))
    assert found.passed == (kind == "empty" or not off)
    assert [verdict.word for verdict in found.verdicts][1] == ("equal" if found.passed else "wrong")


def test_many_axes_are_given_in_an_order():
    def reference(input):
        return input.reshape(2, 3, 1, 2, 1, 3)

    def port(x):
        return x.reshape(2, 3, 1, 2, 1, 3).transpose(0, 2, 3, 4, 5, 1)

    with pytest.raises(parity.InputError, match="orders are tried of up to 5 axes: give this one with --axes"):
        parity.compare(reference, port, arrays(6))
    assert parity.compare(reference, port, arrays(6), axes=["output: a b c d e f -> a c d e f b"]).passed


def test_no_line_of_the_engine_is_shown_as_one_of_a_model():
    model, port = torch.nn.Linear(6, 7), nn.Linear(6, 7)
    port.weight, port.bias = (mx.array(one.detach().numpy()) for one in (model.weight, model.bias))
    assert parity.compare(model, port, arrays(3), exact=True).passed
    inputs = {"x": arrays(3)[0]["input"]}
    found = parity.compare(torch.nn.RMSNorm(6, eps=1e-5), nn.RMSNorm(6, eps=1e-3), inputs, exact=True)
    assert not found.passed and found.departures
    assert "parity/prove" not in str(found)


def test_what_an_assertion_refuses_is_told_without_the_engine():
    with pytest.raises(parity.InputError, match="'nowhere:model': cannot be loaded") as caught:
        parity.assert_parity("nowhere:model", lambda x: x, arrays(3))
    shown = "".join(traceback.format_exception(caught.value))
    assert "parity/prove" not in shown and len(shown.splitlines()) < 12
