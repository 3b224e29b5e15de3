"""Masks that are off by one: the port's mask stands in the departure, by its graph as by its run in the stand-in."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
import torch

import parity
from parity.match.relations import relation


def reference(x: torch.Tensor) -> torch.Tensor:
    kept = torch.tril(torch.ones(x.shape[1], x.shape[1]))
    return torch.softmax((x @ x.transpose(1, 2)).masked_fill(kept == 0, -torch.inf), -1) @ torch.tanh(x)


def attended(scores: mx.array, x: mx.array) -> mx.array:
    return mx.softmax(scores, -1) @ mx.tanh(x)


def chosen(x: mx.array, off: int = 1) -> mx.array:
    places = mx.arange(x.shape[1])
    return attended(mx.where(places[:, None] + off >= places[None], x @ x.swapaxes(1, 2), -mx.inf), x)


def added(x: mx.array, off: int = 1) -> mx.array:
    places = mx.arange(x.shape[1])
    return attended(x @ x.swapaxes(1, 2) + mx.where(places[:, None] + off >= places[None], 0.0, -1e9), x)


def unmasked(x: mx.array) -> mx.array:
    return attended(x @ x.swapaxes(1, 2), x)


def inputs() -> list[dict[str, np.ndarray]]:
    return [{"x": np.random.default_rng(n).standard_normal((2, n, 8)).astype(np.float32)} for n in (13, 17)]


@pytest.mark.parametrize("source", ["graph", "standin"])
@pytest.mark.parametrize("port", [chosen, added])
def test_the_mask_of_the_port_stands_in_its_formula(port, source):
    found = parity.compare(reference, port, inputs(), source=source, exact=True)
    (departure,) = found.departures
    assert "departure 1: differs" in departure and "+ 1" in departure.replace("(1)", "1")
    assert "the port's is the reference's with its mask moved by 1 along axis -1" in departure


def test_a_right_mask_passes_and_a_mask_that_is_not_there_is_missing():
    assert parity.compare(reference, lambda x: chosen(x, 0), inputs(), exact=True).passed
    (departure,) = parity.compare(reference, unmasked, inputs(), exact=True).departures
    assert "departure 1: missing" in departure


def test_what_a_mask_is_to_another():
    mask = np.where(np.tri(6) == 1, 0.3, -np.inf)
    cut = mask.copy()
    cut[4, 1] = -np.inf
    assert relation((np.where(np.tri(6, k=-2) == 1, 0.3, -np.inf),), (mask,)).endswith("moved by -2 along axis -1")
    assert relation((np.tri(6, k=1),), (np.tri(6),)).endswith("mask moved by 1 along axis -1")
    assert (
        relation((cut,), (mask,))
        == "masked otherwise at 1 of 36 places, first (4, 1), which the reference has let through"
    )
    assert relation((mask,), (mask,)) == ""


class Hiding(torch.nn.Module):
    """Attention in half precision, of which one row has no key: the lowest number of float16 makes its keys alike."""

    lowest = torch.finfo(torch.float16).min

    def forward(self, x: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        scores = (x * 0).half() @ x.half().transpose(-1, -2)
        hidden = scores.masked_fill(~keep[:, None, None], self.lowest)
        return hidden.softmax(-1).float()


@pytest.mark.parametrize("lowest", [Hiding.lowest, -1.0])
def test_a_row_without_a_key_in_half_precision(lowest: float) -> None:
    def port(x: mx.array, keep: mx.array) -> mx.array:
        half, ones = (x * 0).astype(mx.float16), mx.eye(4).astype(mx.float16)
        ones = mx.broadcast_to(ones, (2, 3, 4, 4))
        mask = keep[:, None, None]
        return mx.fast.scaled_dot_product_attention(half, half, ones, scale=1.0, mask=mask).astype(mx.float32)

    model = Hiding()
    model.lowest = lowest
    keep = np.array([[True, True, False, False], [False] * 4])
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
    found = parity.compare(model, port, {"x": x, "keep": keep}, exact=True)
    assert found.passed == (lowest == Hiding.lowest), str(found)
