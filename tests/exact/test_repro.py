"""A departure as a zip: its scripts show the difference without this project, or nothing is written."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch

import parity
from parity.cli import BROKEN, PASS, main
from parity.exact.primitives import spelling


class Reference(torch.nn.Module):
    """`x (B, C, T)` -> `(B, T, 5)`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = torch.nn.Conv1d(6, 8, 3, padding=1), torch.nn.Linear(8, 5)
        self.norm = torch.nn.LayerNorm(8, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(torch.nn.functional.gelu(self.conv(x).transpose(1, 2))))


class Candidate(mlx.nn.Module):
    def __init__(self, approx: str = "none", eps: float = 1e-3):
        super().__init__()
        self.conv, self.out = mlx.nn.Conv1d(6, 8, 3, padding=1), mlx.nn.Linear(8, 5)
        self.norm, self.activation = mlx.nn.LayerNorm(8, eps=eps), mlx.nn.GELU(approx=approx)

    def __call__(self, x: mx.array) -> mx.array:
        return self.out(self.norm(self.activation(self.conv(x))))


def compared(**options: Any) -> parity.Comparison:
    torch.manual_seed(0)
    reference, port = Reference().eval(), Candidate(**options)
    arrays = {name: value.numpy() for name, value in reference.state_dict().items()}
    turned = {name: array.transpose(0, 2, 1) if array.ndim == 3 else array for name, array in arrays.items()}
    port.load_weights([(name, mx.array(np.ascontiguousarray(array))) for name, array in turned.items()], strict=True)
    mx.eval(port.parameters())
    sets = [{"x": np.random.default_rng(n).standard_normal((2, 6, n)).astype(np.float32)} for n in (13, 17)]
    return parity.compare(reference, port, sets, exact=True)


def of(reference: Any, candidate: Any, **inputs: np.ndarray) -> parity.Comparison:
    inputs = inputs or {"x": np.random.default_rng(0).standard_normal((4, 6, 20)).astype(np.float32)}
    return parity.compare(reference, candidate, inputs, exact=True)


def printed(folder: Path, script: str) -> list[str]:
    """What a script prints where this project cannot be imported."""
    done = subprocess.run([sys.executable, "-I", script], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_departure_by_itself(tmp_path):
    found, place = compared(approx="tanh", eps=1e-5), tmp_path / "repro.zip"
    place.write_text("mine")
    with pytest.raises(parity.InputError, match=r"repro.zip exists; nothing is replaced"):
        found.repro(place, 1)
    assert place.read_text() == "mine"
    written = found.repro(place, 1, overwrite=True)
    assert written["departure"] == 2 and written["reference"] < 1e-12 < 4 * written["port"] < written["difference"]
    with zipfile.ZipFile(place) as file:
        file.extractall(tmp_path / "there")
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == written["files"]
    texts = {name: (tmp_path / "there" / name).read_text() for name in ("reference.py", "candidate.py", "README.txt")}
    assert "torch.ops.aten.layer_norm(" in texts["reference.py"] and "eps=0.001" in texts["reference.py"]
    assert "1e-05" in texts["candidate.py"] and "import mlx.core as mx" in texts["candidate.py"]
    assert all("parity" not in texts[name] and len(texts[name].splitlines()) <= 30 for name in list(texts)[:2])
    assert "layer_norm(x, " in texts["README.txt"] and "test_repro.py" in texts["README.txt"]
    for name in ("reference.py", "candidate.py"):
        assert printed(tmp_path / "there", name) == written["printed"][name]
        assert all(line in texts["README.txt"] for line in written["printed"][name])
    expected, port = (np.load(tmp_path / "there" / f"{name}.npy") for name in ("expected", "port"))
    assert expected.dtype == port.dtype == np.float64 and np.abs(expected - port).max() > 1e-4


TABLE = np.random.default_rng(5).standard_normal(120).astype(np.float32)
SPELLED = spelling.spelled
WEIGHT = np.random.default_rng(6).standard_normal((120, 7)).astype(np.float32)
PAIRS = {
    "order": (
        lambda x: (x.sin() * 2).reshape(4, 6, 20).transpose(1, 2).reshape(4, 120) @ torch.tensor(WEIGHT, dtype=x.dtype),
        lambda x: (mx.sin(x) * 2).reshape(4, 120) @ mx.array(WEIGHT),
    ),
    "a table": (
        lambda x: x * torch.tensor(TABLE, dtype=x.dtype).exp(),
        lambda x: x * mx.array(np.exp(TABLE) + np.float32(0.1)),
    ),
    "torch": (lambda x: x.softmax(-1).tanh(), lambda x: x.softmax(-1).sin()),
}


@pytest.mark.parametrize("name", PAIRS)
def test_each_kind_shows_itself(name, tmp_path):
    inputs = {"x": np.random.default_rng(0).standard_normal((4, 120)).astype(np.float32)}
    found = parity.compare(*PAIRS[name], inputs, source="torch" if name == "torch" else None, exact=True)
    assert found.repro(tmp_path / "repro.zip")["difference"] > 1e-3, found
    with zipfile.ZipFile(tmp_path / "repro.zip") as file:
        script = file.read("candidate.py").decode()
    assert ("import torch" in script) == (name == "torch")


def test_an_operation_that_is_no_one_call_is_loaded_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(
        spelling, "spelled", lambda node, *rest: None if node.operation == "Tanh" else SPELLED(node, *rest)
    )
    compared(approx="tanh").repro(tmp_path / "repro.zip")
    with zipfile.ZipFile(tmp_path / "repro.zip") as file:
        script = file.read("candidate.py").decode()
    assert "# Tanh is no one call: its results are loaded, as computed in NumPy in double" in script


def test_what_cannot_be_shown_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    place = tmp_path / "repro.zip"
    with pytest.raises(parity.InputError, match="no operation departs, so there is none to show: both are equal"):
        compared().repro(place)
    with pytest.raises(parity.InputError, match="there is no departure 9: there are 1"):
        compared(approx="tanh").repro(place, 8)
    with pytest.raises(parity.InputError, match="the difference does not show in single precision"):
        of(lambda x: x.sin(), lambda x: mx.sin(x) * mx.array(1 + 2**-20, mx.float32)[None] ** (1 / 64)).repro(place)
    weight = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    wrong = mx.array(weight * np.where(np.arange(8) == 3, 1.01, 1).astype(np.float32))
    with pytest.raises(parity.InputError, match="no operation departs, so there is none to show: a tensor"):
        of(lambda x: x @ torch.tensor(weight, dtype=x.dtype), lambda x: x @ wrong).repro(place)
    monkeypatch.setattr(spelling, "spelled", lambda node, *rest: None)
    with pytest.raises(parity.InputError, match="Multiply gives what departs, and no one call of its framework is"):
        compared(approx="tanh").repro(place)
    monkeypatch.setattr(spelling, "spelled", lambda node, *rest: f"({SPELLED(node, *rest)})!")
    with pytest.raises(parity.InputError, match=r"candidate.py of the departure does not run \(SyntaxError"):
        compared(approx="tanh").repro(place)
    monkeypatch.setattr(spelling, "spelled", lambda node, names, program: f"mx.exp({names[0]} + 9)")
    with pytest.raises(parity.InputError, match="nothing is written"):
        compared(approx="tanh").repro(place)
    assert not place.exists()


MODULES = """
import mlx.core as mx
import torch


def reference(x):
    return torch.nn.functional.gelu(x) * 2


def candidate(x):
    return x * mx.sigmoid(1.702 * x) * 2 if mx.max(x).item() < 99 else x
"""


def test_the_command(tmp_path, monkeypatch, capsys):
    (tmp_path / "gelus.py").write_text(MODULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gelus", raising=False)
    np.savez("x.npz", x=np.random.default_rng(0).standard_normal((9, 40)).astype(np.float32))
    line = ["repro", "gelus:reference", "gelus:candidate", "--inputs", "x.npz", "-o", "repro.zip"]
    assert main([*line, "--json", "written.json"]) == PASS
    said = capsys.readouterr().out
    assert "candidate.py: largest difference from expected.npy, of its RMS: " in said
    assert json.loads(Path("written.json").read_text())["files"] and zipfile.is_zipfile("repro.zip")
    assert main(line) == BROKEN and "exists; nothing is replaced" in capsys.readouterr().err
    assert main([*line, "--overwrite", "--departure", "3"]) == BROKEN
    assert "there is no departure 3: there are 1" in capsys.readouterr().err
    assert main([*line, "--overwrite", "--departure", "0"]) == BROKEN
    assert "departures are counted from 1" in capsys.readouterr().err


def test_a_weight_is_no_operation_and_is_refused(tmp_path):
    model = Reference()
    port = mlx.nn.Conv1d(6, 8, 3, padding=1)
    weight = model.conv.weight.detach().numpy().transpose(0, 2, 1)
    port.weight, port.bias = mx.array(weight[:, ::-1].copy()), mx.array(model.conv.bias.detach().numpy())
    inputs = {"input": np.random.default_rng(0).standard_normal((2, 6, 9)).astype(np.float32)}
    found = parity.compare(model.conv, port, inputs, exact=True)
    assert len(found.departures) == 1
    with pytest.raises(parity.InputError, match="departure 1 is a weight, which is no operation"):
        found.repro(tmp_path / "weight.zip")


def test_an_operator_keeps_its_name():
    from parity.exact.torch import record

    program = record(lambda x: (x > 0) & (x < 1), [np.zeros((2, 3), np.float32)])
    assert [node.operation for node in program.nodes] == ["aten.gt", "aten.lt", "aten.__and__"]
