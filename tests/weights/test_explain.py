"""fixtures.weights: a wrong weight is told apart from a right one, and how it is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mlx import nn as mlx_nn
from torch import nn

from fixtures.weights import explain


class Reference(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(6, 6)
        self.other = nn.Linear(6, 6)
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 4, 4))


class Candidate(mlx_nn.Module):
    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        import mlx.core as mx

        for path, array in weights.items():
            name, kind = path.split(".")
            if name not in self:
                self[name] = mlx_nn.Module()
            self[name][kind] = mx.array(np.ascontiguousarray(array))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


@pytest.fixture
def weights(reference) -> dict[str, np.ndarray]:
    """The candidate's right weights."""
    modules = {"linear": reference.linear, "other": reference.other, "conv": reference.conv}
    found = {f"{name}.bias": module.bias.detach().numpy() for name, module in modules.items()}
    found |= {f"{name}.weight": modules[name].weight.detach().numpy() for name in ("linear", "other")}
    return found | {"conv.weight": np.moveaxis(reference.conv.weight.detach().numpy(), 1, -1)}


def test_right_weights_are_right(reference, weights):
    assert explain(reference, Candidate(weights), "") is None
    assert explain(reference, Candidate(weights), "conv") is None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounded_weights_are_those_of_a_reference_rounded_alike(reference, weights, dtype):
    rounded = Reference()
    rounded.load_state_dict(
        {name: array.to(getattr(torch, dtype)).float() for name, array in reference.state_dict().items()}, strict=True
    )
    half = {"linear.weight": weights["linear.weight"], "linear.bias": weights["linear.bias"]}
    half = {name: torch.tensor(array).to(getattr(torch, dtype)).float().numpy() for name, array in half.items()}
    assert explain(reference, Candidate(half), "linear") is not None
    assert explain(reference, Candidate(half), "linear", rounded) is None
    wrong = half | {"linear.weight": half["linear.weight"][::-1]}
    assert "reversed along axis 0" in explain(reference, Candidate(wrong), "linear", rounded)


def flipped(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.reshape(-1)[3:4].view(np.uint32)[...] ^= np.uint32(1 << 22)
    return array


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("linear.weight", lambda w, all: w.T, "transposed"),
        ("linear.weight", lambda w, all: all["other.weight"], "it is the weight of other.weight"),
        ("linear.weight", lambda w, all: flipped(w), "one bit is flipped, number 22, at (0, 3)"),
        ("linear.weight", lambda w, all: 0 * w, "0 everywhere"),
        ("linear.weight", lambda w, all: w[::-1], "reversed along axis 0"),
        ("linear.weight", lambda w, all: w[[1, 0, 2, 3, 5, 4]], "its rows are in another order"),
        ("linear.weight", lambda w, all: 2 * w, "2 times the reference's"),
        ("linear.weight", lambda w, all: np.cos(np.arange(36.0)).reshape(6, 6), "not the checkpoint's"),
        ("conv.weight", lambda w, all: np.moveaxis(w, -1, 1), "transposed"),
        (
            "conv.weight",
            lambda w, all: w * np.array([1, 2, 3, 4.0])[:, None, None],
            "a norm folded over the wrong axes",
        ),
    ],
)
def test_a_wrong_weight_is_explained(reference, weights, name, change, sentence):
    wrong = weights | {name: np.asarray(change(weights[name], weights), np.float32)}
    found = explain(reference, Candidate(wrong), name.partition(".")[0])
    assert found is not None
    assert found.startswith(f"{name}: ")
    assert sentence in found
    assert explain(reference, Candidate(wrong), "other") is None
