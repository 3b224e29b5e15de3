"""What `parity prove` says: of what stands in another order, of draws, of names and files, and of parameters."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from parity.base.errors import InputError
from parity.cli import BROKEN, FAILURE, PASS, main
from parity.prove.inputs import flat, structured

BOTH = """
import mlx.core as mx
import mlx.nn as nn
import numpy as np
import torch


def two(x, y):
    return torch.tanh(x) + y.mean(), torch.exp(y) * x.mean()


def same_two(x, y):
    return mx.tanh(x) + mx.mean(y), mx.exp(y) * mx.mean(x)


def other_order(x, y):
    return same_two(x, y)[::-1]


def other_arguments(y, x):
    return same_two(x, y)


def pair(x, y):
    return torch.tanh(x[:, :4]) * y.mean(), torch.exp(x) * y.mean()


def pair_in_another_order(x, y):
    return mx.exp(x) * mx.mean(y), mx.tanh(x[:, :4]) * mx.mean(y)


def sizes(x, long):
    return x @ long


def sizes_in_another_order(long, x):
    return x @ long


def noisy(x, y):
    return x + y + torch.randn_like(x)


def flipped(x, y):
    return x + y * torch.bernoulli(torch.full_like(x, 0.5))


def filled(x, y):
    return x + y + torch.empty_like(x).normal_()


def dropped(x, y):
    return torch.nn.functional.dropout(x + y, 0.5, training=True)


def plain(x, y):
    return x + y


def draws(x, y):
    return x + y + mx.random.normal(x.shape)


def ordered(x, y):
    return torch.argsort(x + y, dim=1)


def reversed_order(x, y):
    order = mx.argsort(x + y, axis=1).astype(mx.int64)
    return mx.concatenate([order[:, 1:2], order[:, :1], order[:, 2:]], axis=1)


def of_a_batch(batch, scale):
    return batch["x"] * scale + batch["more"]["y"]


def of_a_batch_too(batch, scale):
    return batch["x"] * scale + batch["more"]["y"]


def mixed_up(batch, scale):
    return batch["more"]["y"] * scale + batch["x"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "both_sides.py").write_text(BOTH)
    rng = np.random.default_rng(3)
    arrays = {name: rng.standard_normal((5, 6)).astype(np.float32) for name in ("x", "y")}
    np.savez(tmp_path / "x.npz", **arrays)
    np.savez(tmp_path / "long.npz", x=arrays["x"], long=rng.standard_normal((6, 7)).astype(np.float32))
    scale = rng.standard_normal(6).astype(np.float32)
    np.savez(tmp_path / "batch.npz", **{"batch/x": arrays["x"], "scale": scale, "batch/more/y": arrays["y"]})
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "both_sides", raising=False)
    return tmp_path


def prove(reference: str, port: str, *options: str, file: str = "x.npz") -> int:
    return main(["prove", f"both_sides:{reference}", f"both_sides:{port}", "--inputs", file, *options])


def test_outputs_in_another_order_are_said_to_be(folder, capsys):
    assert prove("two", "same_two") == PASS
    assert "swapped" not in capsys.readouterr().out
    assert prove("two", "other_order", "--json", "proof.json") == FAILURE
    said = "output 0 equals the reference's output 1: they are swapped"
    assert json.loads(Path("proof.json").read_text())["swapped"] == [said]
    assert f"  {said}" in capsys.readouterr().out.splitlines()


def test_outputs_of_other_shapes_in_another_order_are_said_to_be(folder, capsys):
    assert prove("pair", "pair_in_another_order") == FAILURE
    assert "output 0 equals the reference's output 1: they are swapped" in capsys.readouterr().out


@pytest.mark.parametrize("source", [(), ("--source", "standin")])
def test_arguments_in_another_order_are_said_to_be(folder, capsys, source):
    assert prove("two", "other_arguments", *source) == FAILURE
    assert "with x and y exchanged the port gives the reference's outputs: they are swapped" in capsys.readouterr().out


def test_arguments_in_another_order_that_stop_the_port_are_said_to_be(folder, capsys):
    assert prove("sizes", "sizes_in_another_order", file="long.npz") == BROKEN
    said = capsys.readouterr().err
    assert "cannot be run on these inputs" in said
    assert "with x and long exchanged the port gives the reference's outputs: they are swapped" in said


@pytest.mark.parametrize(
    ("reference", "operation"),
    [("noisy", "aten.randn_like"), ("flipped", "aten.bernoulli"), ("filled", "aten.normal_"), ("dropped", "dropout")],
)
def test_a_reference_that_draws_is_refused(folder, capsys, reference, operation):
    assert prove(reference, "same_two") == BROKEN
    said = capsys.readouterr().err.splitlines()[-1]
    assert operation in said and "both_sides.py" in said
    assert "draws" in said and "eval()" in said


@pytest.mark.parametrize("source", ["graph", "standin"])
def test_a_port_that_draws_is_refused_with_advice_that_can_be_taken(folder, capsys, source):
    assert prove("plain", "draws", "--source", source) == BROKEN
    assert "make the noise an argument of both" in capsys.readouterr().err


def test_integers_that_differ_are_counted_and_the_first_is_shown(folder, capsys):
    assert prove("ordered", "reversed_order", "--json", "proof.json") == FAILURE
    with np.load("x.npz") as file:
        order = np.argsort(file["x"].astype(np.float64) + file["y"], axis=1)
    said = f"10 of 30 differ, first at (0, 0): {order[0, 1]}, expected {order[0, 0]}"
    assert f"  output 0: {said}" in capsys.readouterr().out.splitlines()
    assert json.loads(Path("proof.json").read_text())["outputs"][0]["apart"] == said


@pytest.mark.parametrize("source", ["graph", "standin"])
@pytest.mark.parametrize(("port", "code"), [("of_a_batch_too", PASS), ("mixed_up", FAILURE)])
def test_arguments_that_are_dictionaries(folder, source, port, code):
    assert prove("of_a_batch", port, "--source", source, file="batch.npz") == code


def test_keys_of_dictionaries():
    tree = structured({"batch/x": 1, "scale": 2, "batch/more/y": 3})
    assert tree == {"batch": {"x": 1, "more": {"y": 3}}, "scale": 2}
    assert list(flat(tree)) == ["batch/x", "batch/more/y", "scale"]
    for keys in (("a", "a/b"), ("a/b", "a")):
        with pytest.raises(InputError, match="an array or a dictionary"):
            structured(dict.fromkeys(keys, 0))


def test_a_missing_file_is_one_clear_sentence(folder, capsys):
    assert prove("two", "same_two", file="absent.npz") == BROKEN
    assert "absent.npz: there is no such file;" in capsys.readouterr().err


def test_a_name_that_is_nearly_right_is_suggested(folder, capsys):
    assert prove("tow", "same_two") == BROKEN
    assert "both_sides has no 'tow'; it has two" in capsys.readouterr().err
    assert prove("two", "qqqqqq") == BROKEN
    assert "both_sides has no 'qqqqqq'; it has draws, dropped, " in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_said_before_anything_runs(folder, capsys):
    name = "both_sides.py/proof.json"
    for line in (["prove", "both_sides:two", "both_sides:absent"], ["verify", "--exact", "--contract", "absent.toml"]):
        given = ["--inputs", "x.npz"] if line[0] == "prove" else []
        assert main([*line, *given, "--json", name]) == BROKEN
        assert f"{name}: cannot be written (Not a directory); give another name" in capsys.readouterr().err


SET = """
import mlx.core as mx
import torch


class Reference(torch.nn.Module):
    def __init__(self, slope=0.01):
        super().__init__()
        self.slope = slope

    def forward(self, x, y):
        return torch.nn.functional.leaky_relu(x * y, self.slope)


reference = Reference(0.2)


def right(x, y):
    return mx.maximum(x * y, 0.2 * (x * y))


def by_default(x, y):
    return mx.maximum(x * y, 0.01 * (x * y))
"""


@pytest.mark.parametrize(("port", "code"), [("right", PASS), ("by_default", FAILURE)])
def test_a_reference_that_was_given_arguments_is_judged_as_it_is(folder, monkeypatch, port, code):
    Path("set_model.py").write_text(SET)
    monkeypatch.delitem(sys.modules, "set_model", raising=False)
    assert main(["prove", "set_model:reference", f"set_model:{port}", "--inputs", "x.npz"]) == code


PARAMETERS = """
import mlx.core as mx
import torch

torch.manual_seed(0)
layer = torch.nn.Conv1d(6, 5, 3, padding=1, bias=False)
weight = mx.array(layer.weight.detach().numpy().transpose(0, 2, 1).copy())
wide = torch.nn.Conv2d(1, 3, 3, padding=(1, 1), stride=2, bias=False)
weights = mx.array(wide.weight.detach().numpy().transpose(0, 2, 3, 1).copy())


def softmax(input):
    return torch.softmax(torch.tanh(input), -1) * 2


def over_another_axis(input):
    return mx.softmax(mx.tanh(input), axis=-2) * 2


def over_the_same_axis(input):
    return mx.softmax(mx.tanh(input), axis=2) * (2 + 1e-6)


def summed(input):
    return torch.cumsum(torch.tanh(input), 1) * 2


def summed_otherwise(input):
    return mx.cumsum(mx.tanh(input), 2) * 2


convolved = torch.nn.Sequential(layer, torch.nn.Tanh())
flat = torch.nn.Sequential(torch.nn.Unflatten(1, (1, 6)), wide, torch.nn.Tanh())


def convolved_otherwise(input):
    return mx.tanh(mx.conv1d(input, weight, padding=2, dilation=2))


def convolved_with_another(input):
    return mx.tanh(mx.conv1d(input, weight * (1 + 1e-5), padding=1))


def shifted(input):
    return mx.tanh(mx.conv2d(input[..., None], weights, padding=2, stride=2)[:, :-1, :-1])


table = torch.nn.Embedding(20, 6)
numbers = mx.array(table.weight.detach().numpy())


def one_before(input):
    return numbers[input - 1] * 2


class Looking(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = table

    def forward(self, input):
        return self.table(input) * 2


looking = Looking()


def normed(input):
    return torch.tanh(torch.nn.functional.layer_norm(input, (11,))) * 2


def normed_otherwise(input):
    return mx.tanh(mx.fast.layer_norm(input, None, None, 1e-3)) * 2
"""
SAME, TURNED = ("input: a b c -> a b c", "output: a b c -> a b c"), ("input: b c t -> b t c",)


@pytest.mark.parametrize(
    ("reference", "port", "axes", "source", "said"),
    [
        ("softmax", "over_another_axis", SAME, "standin", "softmax over axis -1 against axis -2"),
        ("softmax", "over_the_same_axis", SAME, "standin", ""),
        ("summed", "summed_otherwise", SAME, "standin", "cumsum over axis 1 against axis 2"),
        (
            "convolved",
            "convolved_otherwise",
            TURNED,
            "standin",
            "convolution: padding 1 against 2, dilation 1 against 2",
        ),
        ("convolved", "convolved_otherwise", TURNED, "graph", "convolution: padding 1 against 2, dilation 1 against 2"),
        ("convolved", "convolved_with_another", TURNED, "graph", ""),
        ("flat", "shifted", ("input: b h w -> b h w",), "graph", "convolution: padding 1 against 2"),
        ("looking", "one_before", (), "graph", "embedding: rows x against rows x - 1 of the same table"),
        ("normed", "normed_otherwise", SAME, "standin", "layer_norm: eps 1e-05 against 0.001"),
    ],
)
def test_arguments_in_which_one_operation_differs_are_said(
    folder, monkeypatch, capsys, reference, port, axes, source, said
):
    Path("parameters_of_both.py").write_text(PARAMETERS)
    monkeypatch.delitem(sys.modules, "parameters_of_both", raising=False)
    rng = np.random.default_rng(5)
    numbers = rng.integers(0, 20, (3, 40)) if reference == "looking" else rng.standard_normal((3, 6, 11), np.float32)
    np.savez("x.npz", input=numbers)
    names = [f"parameters_of_both:{name}" for name in (reference, port)]
    options = [part for text in axes for part in ("--axes", text)]
    assert main(["prove", *names, "--inputs", "x.npz", "--source", source, *options]) == FAILURE
    lines = capsys.readouterr().out.splitlines()
    against = [line.strip() for line in lines if " against " in line and not line.startswith("NOT PROVEN")]
    assert against == ([said] if said else [])
