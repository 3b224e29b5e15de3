"""`parity.compare` accounts for the weights first: what is wrong with them, and which departures that leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch

import parity
from parity.match.audit import Audit

Weights = dict[str, np.ndarray]


class Reference(torch.nn.Module):
    """`x (B, T, 64)` -> `(B, T, 8)`."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = torch.nn.Linear(64, 96), torch.nn.Linear(96, 64)
        self.norm, self.out = torch.nn.LayerNorm(64), torch.nn.Linear(64, 8)
        self.spare = torch.nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(x + self.down(torch.nn.functional.gelu(self.up(x)))))


class Candidate(mlx.nn.Module):
    def __init__(self, approx: str = "none") -> None:
        super().__init__()
        self.up, self.down = mlx.nn.Linear(64, 96), mlx.nn.Linear(96, 64)
        self.norm, self.out = mlx.nn.LayerNorm(64), mlx.nn.Linear(64, 8)
        self.activation = mlx.nn.GELU(approx=approx)

    def __call__(self, x: mx.array) -> mx.array:
        return self.out(self.norm(x + self.down(self.activation(self.up(x)))))


@pytest.fixture(scope="module")
def reference() -> Reference:
    torch.manual_seed(0)
    model = Reference().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) / 3)
    return model


def port(reference: Reference, change: Callable[[Weights], Weights] = lambda weights: {}, **options: Any) -> Candidate:
    made = Candidate(**options)
    weights = {name: array.numpy() for name, array in reference.state_dict().items() if not name.startswith("spare")}
    weights |= change(weights)
    made.load_weights([(name, mx.array(np.ascontiguousarray(array))) for name, array in weights.items()], strict=True)
    mx.eval(made.parameters())
    return made


def compared(reference: Any, candidate: Any) -> parity.Comparison:
    sets = [{"x": np.random.default_rng(n).standard_normal((2, n, 64)).astype(np.float32)} for n in (5, 9)]
    return parity.compare(reference, candidate, sets, exact=True)


def scaled_row(weights: Weights) -> Weights:
    other = weights["down.weight"].copy()
    other[7] *= 1.01
    return {"down.weight": other}


def test_all_is_well_in_one_line(reference):
    found = compared(reference, port(reference))
    assert found.passed and found.weights.passed
    assert found.weights.sentences == [
        "8 of 8 tensors of the reference are found in the port by value: 8 as they are; 2 more reach no output"
    ]
    assert str(found).count("\n  weights: ") == 1
    assert isinstance(found.weights, Audit) and found.as_dict()["weights"] == found.weights.as_dict()


def test_a_wrong_row_explains_the_outputs(reference):
    found = compared(reference, port(reference, scaled_row))
    (departure,) = found.departures
    assert departure.startswith("down.weight of the port is down.weight of the reference but for entry 7 of axis 0")
    assert "return self.out(self.norm(x + self.down" in departure
    assert departure.endswith("proven: with these weights in the reference both give the same outputs")
    assert found.first == departure.partition("\n")[0] and found.proof.found is None


def test_a_departure_beside_a_wrong_row_is_the_only_other_one(reference):
    found = compared(reference, port(reference, scaled_row, approx="tanh"))
    assert not found.weights.explains and len(found.departures) == 2
    assert found.departures[0].startswith("down.weight of the port") and "proven" not in found.departures[0]
    assert "gelu" in found.departures[1] and "proven: " in found.departures[1]


def test_another_checkpoint_is_said_and_nothing_else(reference):
    torch.manual_seed(1)
    other = Reference().eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.copy_(torch.randn_like(parameter) / 3)
    found = compared(reference, port(other))
    assert found.departures == [
        "another checkpoint's weights: 0 of 8 tensors found by value, of 8 with the same shapes\n"
        "  proven: with these weights in the reference both give the same outputs"
    ]
    found = compared(reference, port(other, approx="tanh"))
    assert found.first.startswith("another checkpoint's weights: 0 of 8") and len(found.departures) == 1
    assert "departures are not looked for: give both sides the same weights" in str(found)
    assert found.proof.found is None


def test_weights_that_were_never_loaded(reference):
    found = compared(reference, Candidate())
    assert found.first.startswith("weights that were never loaded: 0 of")
    kept = port(reference)
    kept.down = mlx.nn.Linear(96, 64)
    mx.eval(kept.parameters())
    (row,) = [row for row in compared(reference, kept).weights.rows if row.candidate == ("down.weight",)]
    assert row.how == ("never loaded",) and "which is 1/√96" in row.evidence


def test_weights_with_fewer_digits(reference):
    half = port(reference)
    half.set_dtype(mx.bfloat16)
    half.activation = lambda x: mlx.nn.gelu(x)
    found = compared(reference, half)
    assert found.first.endswith("and 5 more: the port's is rounded to bfloat16") and found.weights.explains
    quantised = port(reference)
    mlx.nn.quantize(quantised, 32, 4)
    mx.eval(quantised.parameters())
    found = compared(reference, quantised)
    said = "quantised to 4 bits in groups of 32, every number within half a step"
    assert found.first == f"up.weight, down.weight, out.weight: {said}"
    assert found.weights.explains and len(found.departures) == 1
    quantised = port(reference, approx="tanh")
    mlx.nn.quantize(quantised, 32, 4)
    assert ["approximate=none" in text for text in compared(reference, quantised).departures] == [False, True]


class Folding(torch.nn.Module):
    """`x (B, T, 64)` -> `(B, T, 6)`: what loaders fold."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = torch.nn.Conv1d(64, 12, 3, padding=1), torch.nn.BatchNorm1d(12)
        self.lstm = torch.nn.LSTM(12, 7, batch_first=True)
        self.out = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(7, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(self.norm(self.conv(x.transpose(1, 2))).transpose(1, 2))[0])


class Folded(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = mlx.nn.Conv1d(64, 12, 3, padding=1)
        self.lstm, self.out = mlx.nn.LSTM(12, 7), mlx.nn.Linear(7, 6)

    def __call__(self, x: mx.array) -> mx.array:
        return self.out(self.lstm(self.conv(x))[0])


def folded(model: Folding) -> Folded:
    """The port with the weights that a loader makes of those of the reference."""
    state = {name: array.detach().numpy() for name, array in model.state_dict().items()}
    factor = state["norm.weight"] / np.sqrt(state["norm.running_var"] + model.norm.eps)
    weights = {
        "conv.weight": (state["conv.weight"] * factor[:, None, None]).transpose(0, 2, 1),
        "conv.bias": (state["conv.bias"] - state["norm.running_mean"]) * factor + state["norm.bias"],
        "lstm.Wx": state["lstm.weight_ih_l0"],
        "lstm.Wh": state["lstm.weight_hh_l0"],
        "lstm.bias": state["lstm.bias_ih_l0"] + state["lstm.bias_hh_l0"],
        "out.weight": model.out.weight.detach().numpy(),
        "out.bias": state["out.bias"],
    }
    made = Folded()
    made.load_weights([(name, mx.array(np.ascontiguousarray(array))) for name, array in weights.items()], strict=True)
    mx.eval(made.parameters())
    return made


def test_what_a_loader_has_folded():
    torch.manual_seed(0)
    model = Folding().eval()
    model.norm.running_var.uniform_(0.5, 2)
    model.norm.running_mean.uniform_(-1, 1)
    fresh = compared(model, folded(model))
    assert all(row.found for row in fresh.weights.rows if row.candidate), fresh.weights.sentences
    with torch.no_grad():
        model.out.parametrizations.weight.original0.mul_(torch.rand(6, 1) + 1)
    found = compared(model, folded(model))
    rows = {name: row for row in found.weights.rows for name in row.candidate}
    assert {name for name, row in rows.items() if row.how == ("folded",)} == {
        "conv.weight", "conv.bias", "lstm.bias", "out.weight"
    }  # fmt: skip
    assert rows["out.weight"].reference == tuple(f"out.parametrizations.weight.original{n}" for n in (1, 0))
    assert rows["conv.weight"].evidence == "the batch norm is folded in; axes 0, 2, 1"
    assert all(row.found for row in found.weights.rows if row.candidate), found.weights.sentences


class Gated(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.up = torch.nn.Linear(64, 48), torch.nn.Linear(64, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(self.gate(x)) * self.up(x)


class GatedPort(mlx.nn.Module):
    """`crossed` says which names hold the reference's other ones, and `taken` whether the call takes them so."""

    def __init__(self, model: Gated, crossed: bool, taken: bool) -> None:
        super().__init__()
        self.gate, self.up = mlx.nn.Linear(64, 48), mlx.nn.Linear(64, 48)
        self.taken = taken
        for name, other in (("gate", "up"), ("up", "gate")):
            held = getattr(model, other if crossed else name)
            self[name].weight, self[name].bias = (mx.array(a.detach().numpy()) for a in (held.weight, held.bias))

    def __call__(self, x: mx.array) -> mx.array:
        gate, up = (self.up, self.gate) if self.taken else (self.gate, self.up)
        return mlx.nn.silu(gate(x)) * up(x)


def test_two_tensors_that_are_exchanged():
    torch.manual_seed(0)
    model = Gated().eval()
    found = compared(model, GatedPort(model, crossed=True, taken=False))
    assert not found.passed and not found.weights.passed and found.weights.explains and len(found.departures) == 2
    said = "up.weight of the port is gate.weight of the reference, and gate.weight is up.weight: exchange the two"
    assert found.first == said and "proven: with these weights" in found.departures[-1]
    found = compared(model, GatedPort(model, crossed=True, taken=True))
    assert found.passed and found.weights.passed and said in found.weights.sentences
    found = compared(model, GatedPort(model, crossed=False, taken=True))
    assert not found.passed and not any("exchange the two" in text for text in found.weights.sentences)


class Turned(torch.nn.Module):
    """A complex parameter and a buffer of integers."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = torch.nn.Parameter(torch.randn(64, dtype=torch.complex64))
        self.register_buffer("order", torch.randperm(64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.turn).real[..., self.order]


class TurnedPort(mlx.nn.Module):
    def __init__(self, turn: np.ndarray, order: np.ndarray) -> None:
        super().__init__()
        self.turn, self.order = mx.array(turn), mx.array(order)

    def __call__(self, x: mx.array) -> mx.array:
        return mx.real(x * self.turn)[..., self.order]


def test_complex_parameters_and_integers_have_rows():
    torch.manual_seed(0)
    model = Turned().eval()
    turn, order = model.turn.detach().numpy(), model.order.numpy()
    found = compared(model, TurnedPort(turn, order))
    assert found.passed and [row.how for row in found.weights.rows] == [("as it is",)] * 2
    wrong = turn.copy()
    wrong[2] *= 1.5
    found = compared(model, TurnedPort(wrong, order))
    assert found.weights.explains
    assert (
        found.first
        == "turn of the port is turn of the reference but for entry 2 of axis 0, of 64: convert the tensor anew"
    )
    found = compared(model, TurnedPort(turn, np.roll(order, 1)))
    assert (
        found.weights.explains and found.first == "order of the port is order of the reference with other int64 numbers"
    )


class Positions(torch.nn.Module):
    """Sines and cosines of up to 3000 radians, which single precision moves by far more than half an ulp."""

    def __init__(self) -> None:
        super().__init__()
        angles = torch.arange(2900, 3000).float()[:, None] * torch.exp(torch.arange(32).float() * -0.25)
        self.register_buffer("table", torch.cat([angles.sin(), angles.cos()], 1))
        self.out = torch.nn.Linear(64, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x + self.table[: x.shape[1]])


class PositionsPort(mlx.nn.Module):
    def __init__(self, model: Positions, table: np.ndarray) -> None:
        super().__init__()
        self.table, self.out = mx.array(table), mlx.nn.Linear(64, 8)
        self.out.weight, self.out.bias = (mx.array(a.detach().numpy()) for a in (model.out.weight, model.out.bias))

    def __call__(self, x: mx.array) -> mx.array:
        return self.out(x + self.table[: x.shape[1]])


def test_the_model_s_own_table_bit_for_bit_is_what_was_meant():
    torch.manual_seed(0)
    model = Positions().eval()
    table = model.table.numpy()
    found = compared(model, PositionsPort(model, table))
    assert found.passed and found.proof.outputs[0].error < 1e-12
    assert any("the reference's own table in single precision, bit for bit" in text for text in found.proof.notes)
    assert {row.how for row in found.weights.rows} == {("as it is",)}
    other = table.copy()
    other[2, 3] += 1e-5
    found = compared(model, PositionsPort(model, other))
    assert not found.passed and not any("bit for bit" in text for text in found.proof.notes)


class Embedded(torch.nn.Module):
    """Tokens `(B, T)` -> `(B, T, 4)`."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = torch.nn.Embedding(40, 16), torch.nn.Linear(16, 4)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.out(self.embed(tokens))


class EmbeddedPort(mlx.nn.Module):
    def __init__(self, model: Embedded, embedding: np.ndarray, order: list[int]) -> None:
        super().__init__()
        self.embed, self.out = mlx.nn.Embedding(40, 16), mlx.nn.Linear(16, 4)
        self.embed.weight = mx.array(embedding[:, order])
        self.out.weight = mx.array(model.out.weight.detach().numpy()[:, order])
        self.out.bias = mx.array(model.out.bias.detach().numpy())

    def __call__(self, tokens: mx.array) -> mx.array:
        return self.out(self.embed(tokens))


def of_tokens(change: Callable[[np.ndarray], Any], order: list[int] | None = None) -> parity.Comparison:
    """An embedding of 40, changed in the port, of which the inputs take the first 20."""
    torch.manual_seed(0)
    model = Embedded().eval()
    embedding = model.embed.weight.detach().numpy().copy()
    change(embedding)
    port = EmbeddedPort(model, embedding, list(range(16)) if order is None else order)
    tokens = np.random.default_rng(0).integers(0, 20, (2, 9))
    return parity.compare(model, port, {"tokens": tokens}, exact=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[30].fill(0), "but for entry 30 of axis 0, of 40: convert the tensor anew"),
        (lambda rows: np.copyto(rows[30], rows[29]), "but that along axis 0 entry 30 is its entry 29"),
    ],
)
def test_a_wrong_row_that_no_input_reaches_is_a_failure(change, said, tmp_path: Path):
    found = of_tokens(change)
    assert found.proof.proven and not found.passed
    assert found.first.startswith(f"embed.weight of the port is embed.weight of the reference {said}")
    assert found.first.endswith("; no input shows it, for the outputs are equal")
    (departure,) = found.departures
    assert "self.embed(tokens)" in departure and str(found).startswith("WRONG WEIGHTS, of which these inputs show")
    with pytest.raises(AssertionError, match="no input shows it"):
        found.raise_if_failed()
    found.save(tmp_path)
    stored = json.loads((tmp_path / "comparison.json").read_text())
    assert not stored["passed"] and stored["proven"] and stored["first"] == found.first
    assert "<h1>Fail</h1>" in (tmp_path / "index.html").read_text()
    assert 'failures="1"' in (tmp_path / "junit.xml").read_text()


def test_what_the_port_makes_up_for_is_no_failure():
    """All channels between two layers in another order, in both."""
    order = np.random.default_rng(1).permutation(16).tolist()
    found = of_tokens(lambda rows: None, order)
    assert found.passed and not found.departures
    rows = {name: row.how for row in found.weights.rows for name in row.candidate}
    assert rows["embed.weight"] == rows["out.weight"] == ("differs", "undone")
    assert any("what the port computes makes up for it" in text for text in found.weights.sentences)
    assert of_tokens(lambda rows: None).passed
    assert not of_tokens(lambda rows: rows[3].fill(0)).proof.proven


def test_a_file_and_functions_have_their_constants(reference, tmp_path):
    model = port(reference)
    for n in (5, 9):
        mx.export_function(str(tmp_path / f"{n}.mlxfn"), lambda x: model(x), mx.zeros((2, n, 64)))
    one = {"x": np.random.default_rng(0).standard_normal((2, 9, 64)).astype(np.float32)}
    found = parity.compare(reference, tmp_path / "9.mlxfn", one, exact=True)
    assert found.passed and "8 of 8 tensors" in found.weights.sentences[-1], found
    weight = reference.out.weight.detach()
    found = compared(lambda x: x @ weight.to(x.dtype).T, lambda x: x @ model.out.weight.T)
    assert found.passed and found.weights.sentences == [
        "1 of 1 tensors of the reference are found in the port by value: 1 as they are"
    ]
    assert compared(lambda x: x.sin(), lambda x: mx.sin(x)).weights.rows == []


class Linear(torch.nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


def test_the_stand_in_holds_the_same_weights(tmp_path, monkeypatch):
    (tmp_path / "asking.py").write_text(
        "import mlx.core as mx\nimport mlx.nn as nn\nimport numpy as np\n\n\n"
        "class Model(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.out = nn.Linear(64, 8)\n"
        "        self.out.weight = mx.array(np.load('w.npy')).astype(mx.bfloat16)\n"
        "        self.out.bias = mx.array(np.load('b.npy'))\n\n"
        "    def __call__(self, x):\n"
        "        return self.out(x) if mx.max(x).item() < 99 else x\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.manual_seed(0)
    model = Linear(64, 8).eval()
    np.save("w.npy", model.weight.detach().numpy())
    np.save("b.npy", model.bias.detach().numpy())
    found = compared(model, "asking:Model")
    assert found.proof.source == "standin" and found.weights.explains
    assert [row.how for row in found.weights.rows] == [("as it is",), ("as it is", "cast")]


def test_two_torch_models_and_what_is_saved(reference, tmp_path):
    torch.manual_seed(0)
    other = Reference().eval()
    other.load_state_dict(reference.state_dict(), strict=True)
    with torch.no_grad():
        other.out.weight[3, 4] += 1
    found = compared(reference, other)
    assert found.first.startswith("out.weight of the port is out.weight of the reference but for entry 4 of axis 1")
    found.save(tmp_path)
    stored = json.loads((tmp_path / "comparison.json").read_text())
    assert stored["weights"]["explains"] and stored["first"] == found.first
    page = (tmp_path / "index.html").read_text()
    assert "<h2>Weights</h2>" in page and "but for entry 4 of axis 1" in page


def test_inputs_of_two_lengths_take_the_same_weights(reference, monkeypatch: pytest.MonkeyPatch):
    """A function's constants have no names: they are put in place by their order."""
    weight = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    ours, theirs = torch.tensor(weight), mx.array(weight * np.where(np.arange(8) == 3, 1.01, 1).astype(np.float32))
    mx.eval(theirs)
    found = compared(lambda x: x @ ours.to(x.dtype), lambda x: x @ theirs)
    assert found.weights.explains, found
    assert "but for entry 3 of axis 1, of 8" in found.first


def test_the_public_name_says_what_it_is(reference, tmp_path: Path):
    assert str(compared(reference, port(reference)).weights.rows[0]).endswith("of the reference")
