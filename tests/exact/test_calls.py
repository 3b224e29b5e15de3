"""`call=` of `parity.compare`: methods, functions of a model and its arrays, and the state that is left behind."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch

import parity
from parity.cli import BROKEN, FAILURE, PASS, main
from parity.prove.models import kept

WEIGHT = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32) / 3


class Reference(torch.nn.Module):
    """A layer, and a recurrence of it that keeps its state in the module: `(B, 8)` each."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 8, bias=False)
        self.layer.weight.data = torch.tensor(WEIGHT)
        self.register_buffer("last", torch.zeros(1, 8))
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)

    def decode(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.layer(x)) * scale

    def step(self, x: torch.Tensor) -> torch.Tensor:
        self.last += 1
        self.seen.append(torch.tanh(self.layer(x + sum(self.seen) + self.last)))
        return self.seen[-1]


class Candidate(mlx.nn.Module):
    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.layer = mlx.nn.Linear(8, 8, bias=False)
        self.layer.weight = mx.array(WEIGHT)
        self.last = mx.zeros((1, 8))
        self.seen: list[mx.array] = []
        self.gain, self.count = gain, 0

    def __call__(self, x: mx.array) -> mx.array:
        return self.layer(x)

    def decode(self, x: mx.array, scale: mx.array) -> mx.array:
        return self.gain * mx.tanh(self.layer(x)) * scale

    def step(self, x: mx.array) -> mx.array:
        self.count += 1
        self.last[:, :] += 1
        self.seen.append(mx.tanh(self.layer(x + sum(self.seen) + self.last)) * self.gain**self.count)
        return self.seen[-1]


MODULE = '''
import mlx.core as mx
import torch


class Candidate:
    def encode(self, x):
        """Asks for a value, so that no graph can be had."""
        return mx.tanh(x) if mx.max(x).item() < 1e9 else x

    def doubled(self, x):
        return 2 * self.encode(x)


class Encoder:
    def encode(self, x):
        return torch.tanh(x)


def encoded(model, arrays):
    return mx.stack([model.encode(arrays["x"]), arrays["x"]])


def encoded_in_torch(model, arrays):
    return torch.stack([model.encode(arrays["x"]), arrays["x"]])
'''


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The module `called_sides`, and the file x.npz."""
    (tmp_path / "called_sides.py").write_text(MODULE)
    np.savez(tmp_path / "x.npz", **arrays(5)[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "called_sides", raising=False)
    import called_sides

    return called_sides


def arrays(*lengths: int, names: tuple[str, ...] = ("x",)) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    return [{name: random.standard_normal((n, 8)).astype(np.float32) for name in names} for n in lengths]


def steps(model, given):
    """Two steps, the second on the state of the first; nested results."""
    first = model.step(given["x"])
    return {"first": first, "then": [model.step(given["y"])]}


def test_a_method_of_both():
    given = arrays(3, 5, names=("x", "scale"))
    found = parity.compare(Reference(), Candidate(), given, call="decode")
    assert found.passed and [verdict.word for verdict in found.verdicts] == ["equal"] * 2
    found = parity.compare(Reference(), Candidate(1.001), given, call="decode")
    assert not found.passed and len(found.departures) == 1


def test_a_function_of_the_model_and_its_arrays():
    given = arrays(3, 5, names=("x", "y"))
    found = parity.compare(Reference(), Candidate(), given, call=steps)
    assert found.passed, str(found)
    assert len(found.proof.outputs) == 2 and found.modules == (2, 2)
    found = parity.compare(Reference(), Candidate(1.001), given, call=(steps, steps))
    assert not found.passed and [output.equal for output in found.proof.outputs] == [False, False]
    found = parity.compare(Reference(), Reference(), given, call=steps)
    assert found.passed and found.proof.source == "torch"


def test_models_end_in_the_state_that_they_had():
    reference, candidate = Reference(), Candidate()
    reference.train()
    candidate.train()
    layer, seen, last = candidate.layer.weight, candidate.seen, reference.last
    assert parity.compare(reference, candidate, arrays(3, 5, names=("x", "y")), call=steps).passed
    assert reference.seen == [] and reference.last is last and not last.any()
    assert candidate.seen is seen and seen == [] and candidate.count == 0 and not mx.any(candidate.last).item()
    assert reference.training and candidate.training
    assert candidate.layer.weight is layer and np.array_equal(np.array(layer), WEIGHT)
    assert np.array_equal(reference.layer.weight.detach().numpy(), WEIGHT)


def test_a_run_that_leaves_its_state_is_seen():
    """Without `kept`: what the test above rests on."""
    candidate = Candidate()
    candidate.step(mx.ones((1, 8)))
    assert candidate.count == 1 and len(candidate.seen) == 1
    with kept(candidate):
        candidate.step(mx.ones((1, 8)))
        assert candidate.count == 2
    assert candidate.count == 1 and len(candidate.seen) == 1


def test_a_function_is_imported_anew_for_the_stand_in(sides):
    for call in (
        (sides.encoded_in_torch, sides.encoded),
        ("called_sides:encoded_in_torch", "called_sides:encoded"),
    ):
        found = parity.compare(sides.Encoder, sides.Candidate, Path("x.npz"), call=call)
        assert found.passed and found.proof.source == "standin"
    with pytest.raises(parity.NoProgram, match="give a function of the model and its arrays, at the top of a module"):
        parity.compare(
            sides.Encoder,
            sides.Candidate,
            Path("x.npz"),
            call=(sides.encoded_in_torch, lambda model, arrays: sides.encoded(model, arrays)),
        )


@lru_cache
def table(count: int) -> mx.array:
    return mx.cos(mx.arange(count) * 0.1)


@lru_cache
def table_in_torch(count: int) -> torch.Tensor:
    return torch.cos(torch.arange(count) * 0.1)


def test_a_cache_of_tables_reaches_no_other_run(capsys):
    """A table that was made in a trace is of double, in which MLX's cosine is that of float32."""

    def port(x: mx.array) -> mx.array:
        print(table(8).dtype)
        return x * table(8)

    kept_before = table(3)
    for _ in range(2):
        found = parity.compare(
            lambda x: x * table_in_torch(8), port, arrays(3), call=lambda model, given: model(**given)
        )
        assert found.passed and found.proof.outputs[0].error < 1e-15
        said = capsys.readouterr().out.split()
        assert said[-1].endswith("float32") and said[-2].endswith("float64")
    assert table.cache_info().currsize == 0
    table(8)
    before = table(3)
    assert parity.compare(lambda x: x * table_in_torch(8), port, arrays(3)).passed
    assert table(3) is before and before is not kept_before


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("decodes", "call='decodes': .*:Reference has no 'decodes'; it has decode"),
        ((None, "stepp"), "call='stepp': .*:Candidate has no 'stepp'; it has step"),
        ("decode", r"decode of .*:Reference takes x, scale; the inputs have no 'scale'"),
        ((None, None, None), "expected a method's name, a function of the model and its arrays, or two"),
        (3, "call=3: expected a method's name"),
        ("training", "training of .*:Reference is a bool; expected what can be called"),
        ("tests.exact.test_calls:step", "has no 'step'; it has steps"),
        (lambda model, arrays: model(arrays["z"]), "cannot be run on these inputs .KeyError at .*test_calls.py"),
    ],
)
def test_calls_that_are_none(call, said):
    with pytest.raises(parity.InputError, match=said):
        parity.compare(Reference(), Candidate(), arrays(3), call=call)


def test_a_file_is_one_function(tmp_path):
    mx.export_function(str(tmp_path / "port.mlxfn"), Candidate(), mx.zeros((3, 8)))
    given = arrays(3, names=("input",))
    file = tmp_path / "port.mlxfn"
    assert parity.compare(Reference(), file, given, call=("layer.forward", None), exact=True).passed
    with pytest.raises(parity.InputError, match=r"port\.mlxfn is one function"):
        parity.compare(Reference(), file, given, call="layer")


def test_the_command_line(sides, capsys):
    line = ["compare", "called_sides:Encoder", "called_sides:Candidate", "--inputs", "x.npz", "--exact"]
    assert main([*line, "--call", "encode"]) == PASS
    functions = [part for name in ("encoded_in_torch", "encoded") for part in ("--call", f"called_sides:{name}")]
    assert main([*line, *functions]) == PASS
    assert main([*line, "--call", "encode", "--call", "doubled"]) == FAILURE
    assert main(["prove", *line[1:-1], "--call", "encode"]) == PASS
    assert main([*line, *functions, "--call", "encode"]) == BROKEN
    assert "or two of these" in capsys.readouterr().err
    assert main(["compare", "golden", "dumps", "--call", "encode"]) == BROKEN
    assert "--call is for two models" in capsys.readouterr().err
