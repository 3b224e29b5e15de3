"""`parity.compare`: any two models in one call, as objects, by name and on the command line."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest
import torch

import parity
from parity.cli import BROKEN, FAILURE, PASS, main
from parity.exact.mlx import run as device_run

MODULES = '''
import mlx.core as mx
import torch


def running_sum(x):
    """(T, 300): the sum over time."""
    return x.sum(0)


def summed_one_by_one(x):
    total = mx.zeros(300)
    for frame in range(x.shape[0]):
        total = total + x[frame]
    return total


def running_sums(x):
    return x.sum(0), x[:400].sum(0)


def running_sums_one_by_one(x):
    return summed_one_by_one(x), summed_one_by_one(x[:400])


def asks_for_a_value(x):
    return x.sum(0) if mx.max(x).item() < 1e9 else x[0]


def bits(x):
    return x.view(mx.int32).sum(0).view(mx.float32)


def added_one_by_one(x):
    total = torch.zeros(300)
    for row in x:
        total = total + row
    return total


class Halving(torch.nn.Module):
    def forward(self, x):
        return x.sum(0) / 2
'''


class Reference(torch.nn.Module):
    """`x (B, C, T)` -> `(B, T, 5)` and its mean over time `(B, 5)`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(6, 8, 3, padding=1)
        self.out = torch.nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        made = self.out(torch.nn.functional.gelu(self.conv(x).transpose(1, 2)))
        return {"made": made, "mean": made.mean(1)}


class Candidate(mlx.nn.Module):
    def __init__(self, approx: str) -> None:
        super().__init__()
        self.conv = mlx.nn.Conv1d(6, 8, 3, padding=1)
        self.out = mlx.nn.Linear(8, 5)
        self.activation = mlx.nn.GELU(approx=approx)

    def __call__(self, x: mx.array) -> dict[str, mx.array]:
        made = self.out(self.activation(self.conv(x)))
        return {"made": made, "mean": made.mean(1)}


@pytest.fixture
def reference() -> Reference:
    torch.manual_seed(0)
    return Reference().eval()


def port(reference: Reference, approx: str = "none") -> Candidate:
    made = Candidate(approx)
    arrays = {name: value.numpy() for name, value in reference.state_dict().items()}
    turned = {name: array.transpose(0, 2, 1) if array.ndim == 3 else array for name, array in arrays.items()}
    made.load_weights([(name, mx.array(np.ascontiguousarray(array))) for name, array in turned.items()], strict=True)
    mx.eval(made.parameters())
    return made


def inputs(*lengths: int) -> list[dict[str, np.ndarray]]:
    return [{"x": np.random.default_rng(n).standard_normal((2, 6, n)).astype(np.float32)} for n in lengths]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "two_sides.py").write_text(MODULES)
    x = np.random.default_rng(0).standard_normal((512, 300)).astype(np.float32) + 5
    np.savez(tmp_path / "x.npz", x=x)
    np.savez(tmp_path / "y.npz", x=x[:500])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "two_sides", raising=False)
    return tmp_path


def test_two_objects_in_one_call(reference):
    found = parity.compare(reference, port(reference), inputs(13, 17))
    assert found.passed, str(found)
    assert found.proof.layout == {"x": (0, 2, 1)}
    assert [verdict.word for verdict in found.verdicts] == ["equal"] * 4
    assert found.first == "" and found.departures == []
    assert {"torch", "mlx"} <= found.environment.keys()
    assert parity.assert_parity(reference, port(reference), inputs(13)[0], exact=True).verdicts == []


def test_a_departure_is_named_and_raised(reference):
    found = parity.compare(reference, port(reference, "tanh"), inputs(13, 17))
    assert not found.passed
    assert {verdict.word for verdict in found.verdicts} == {"wrong"}
    assert len(found.departures) == 1 and "gelu" in found.departures[0] and "tanh" in found.departures[0]
    assert found.first == found.departures[0].partition("\n")[0]
    with pytest.raises(parity.ParityError, match="gelu"):
        found.raise_if_failed()
    with pytest.raises(AssertionError, match="NOT PROVEN"):
        parity.assert_parity(reference, port(reference, "tanh"), inputs(13, 17))


def test_two_torch_models(reference):
    torch.manual_seed(0)
    other = Reference().eval()
    found = parity.compare(reference, other, inputs(13, 17))
    assert found.passed and found.proof.source == "torch" and "mlx" not in found.environment
    with torch.no_grad():
        other.out.weight[3, 4] += 1e-5
    assert not parity.compare(reference, other, inputs(13, 17)).passed


def test_a_wrong_device_is_no_fault_of_the_mathematics(reference, monkeypatch):
    exact = device_run.run

    def coarse(model, arrays):
        return [(array.astype(np.float16) if array.dtype.kind == "f" else array) for array in exact(model, arrays)]

    monkeypatch.setattr(device_run, "run", coarse)
    found = parity.compare(reference, port(reference), inputs(13))
    assert found.proof.proven and not found.passed
    assert [verdict.word for verdict in found.verdicts] == ["device", "device"]
    assert found.first.startswith("output 0: device, ratio32")


def test_rounding_of_another_order_passes_and_is_said(folder):
    """512 numbers added one by one are beyond two floors of a sum in pairs, and within the port's own floor."""
    names = "two_sides:running_sum", "two_sides:summed_one_by_one"
    found = parity.compare(*names, Path("x.npz"))
    assert found.passed and [verdict.word for verdict in found.verdicts] == ["rounding"]
    assert not parity.compare(*names, Path("x.npz"), strict=True).passed
    found = parity.compare(names[0], "two_sides:added_one_by_one", Path("x.npz"), source="torch")
    assert found.passed and [verdict.word for verdict in found.verdicts] == ["rounding"]


def test_rules_bound_outputs_by_pattern(folder):
    """Sums that are added one by one: beyond two floors, within 1e4, and within the port's own floor in any case."""
    names, why = ("two_sides:running_sums", "two_sides:running_sums_one_by_one"), "a port that adds one by one"
    wide = parity.Rule("output 0", "*", 1e4, 1e4, why)
    narrow = parity.Rule("output *", "accumulated", 1e-3, 1e-3, "all")
    assert [v.word for v in parity.compare(*names, Path("x.npz")).verdicts] == ["rounding"] * 2
    found = parity.compare(*names, [Path("x.npz"), Path("y.npz")], rules=[wide, narrow], strict=True)
    assert [(v.tap, v.passed) for v in found.verdicts[::2]] == [(f"output 0 of inputs {n}", True) for n in range(2)]
    assert [v.passed for v in found.verdicts[1::2]] == [False, False]
    assert [v.bound_ratio32 for v in found.verdicts] == [1e4, 1e-3] * 2
    assert f"output 0: bounds of 10000 and 10000 noise floors on the device: {why}" in found.proof.notes
    for rules, said in (
        (
            [narrow, wide],
            "rule 'output 0' .* decides on no output; there are output 0, output 1, in mode acc",
        ),
        ([parity.Rule("output 2", "*", 3.0, 3.0, why)], "rule 'output 2'"),
        ([parity.Rule("*", "local", 3.0, 3.0, why)], r"rule '\*' \(local\) decides on no output"),
        ([3.0], r"rules hold 3.0; expected parity.Rule\(pattern"),
    ):
        with pytest.raises(parity.InputError, match=said):
            parity.compare(*names, Path("x.npz"), rules=rules)
    with pytest.raises(parity.InputError, match="rules are bounds of what the device gives"):
        parity.compare(*names, Path("x.npz"), rules=[wide], exact=True)


def test_a_function_that_asks_for_values_runs_in_the_stand_in(folder):
    import two_sides

    found = parity.compare(two_sides.running_sum, two_sides.asks_for_a_value, Path("x.npz"))
    assert found.passed and found.proof.source == "standin"
    assert [verdict.word for verdict in found.verdicts] == ["rounding"]


def test_an_object_that_no_graph_can_be_had_of_is_refused(reference):
    class Asking(Candidate):
        def __call__(self, x: mx.array) -> dict[str, mx.array]:
            return super().__call__(x * 2 if mx.mean(x).item() > 100 else x)

    with pytest.raises(parity.NoProgram, match="give a function that makes it, at the top of a module"):
        parity.compare(reference, Asking("none"), inputs(13))


def test_inputs_are_rounded_for_both_sides_and_that_is_said(reference):
    given = {"x": np.random.default_rng(0).standard_normal((2, 6, 13))}
    found = parity.compare(reference, port(reference), given)
    assert found.passed and "x: its values are rounded to float32 first, for both sides" in found.proof.notes
    assert not any("rounded" in note for note in parity.compare(reference, port(reference), inputs(13)).proof.notes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no inputs"),
        ({}, "inputs 0: holds no arrays"),
        ({"x": np.array(["a"])}, "inputs 0: x holds <U1"),
        ([{"x": np.ones((1, 6, 9))}, {"y": np.ones((1, 6, 9))}], "inputs 1: differs from inputs 0 in x, y"),
        ({"z": np.ones((1, 6, 9))}, "the inputs have no 'x'"),
        ("none.npz", "none.npz: there is no such file"),
        (None, "inputs of NoneType: expected arrays by the names"),
        ([np.ones((1, 6, 9))], "inputs of ndarray: expected arrays by the names"),
    ],
)
def test_inputs_that_are_none(reference, given, said):
    with pytest.raises(parity.InputError, match=said):
        parity.compare(reference, port(reference), given)


def test_models_keep_their_modes(reference):
    candidate = port(reference)
    reference.train()
    candidate.train()
    reference.out.eval()
    parity.compare(reference, candidate, inputs(13))
    assert [part.training for part in (reference, reference.conv, reference.out)] == [True, True, False]
    assert all(part.training for part in candidate.modules())


def test_a_source_that_is_none_and_axes_as_one_text(reference):
    with pytest.raises(parity.InputError, match="source 'grph': expected graph, standin, torch, or None"):
        parity.compare(reference, port(reference), inputs(13), source="grph")
    assert parity.compare(reference, port(reference), inputs(13), axes="x: b c t -> b t c").passed


def sines(x):
    return {"a": x.sin(), "b": x.cos()}


@pytest.mark.parametrize(
    ("one", "other", "given", "said"),
    [
        (lambda x: x.split(4, 1), lambda x: mx.split(x, [4, 8], 1)[:2], (8, 12), "gives 3 arrays, the port 2"),
        (lambda x: x.split(4, 1), lambda x: [x[:, i : i + 4] for i in range(0, x.shape[1], 4)], (8, 12), "2 and 3"),
        (lambda x: (x.sin(), x.mean().item()), lambda x: (mx.sin(x), 3.0), (8,), "which is not judged"),
        (lambda x: (x.sin(), 2), lambda x: (mx.sin(x), 3), (8,), r"a result holds 2 \(int\), which is not judged"),
        (sines, lambda x: {"b": mx.sin(x), "c": mx.cos(x)}, (8,), "the reference gives a, b, the port b, c"),
    ],
    ids=["fewer", "by length", "a value", "a number", "keys"],
)
def test_outputs_that_would_go_unjudged_are_refused(one, other, given, said):
    sets = [{"x": np.random.default_rng(n).standard_normal((2, n)).astype(np.float32)} for n in given]
    with pytest.raises(parity.InputError, match=said):
        parity.compare(one, other, sets)


def test_an_input_without_axes_keeps_them(reference):
    found = parity.compare(lambda x, t: x * t, lambda x, t: x * t, {"x": np.ones((2, 3)) / 3, "t": np.float32(0.7)})
    assert found.passed
    assert parity.compare(lambda x: x.sin(), lambda x: mx.sin(x), {"x": np.float32(0.7)}).passed
    with pytest.raises(parity.InputError):
        parity.compare(lambda x, t: x * t, lambda x, t: x * t[:, None], {"x": np.ones((2, 3)), "t": np.float32(0.7)})


def test_weights_in_half_precision_are_said():
    weight = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    wide, half = torch.tensor(weight), mx.array(weight).astype(mx.float16)
    mx.eval(half)
    given = {"x": np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)}
    found = parity.compare(lambda x: x @ wide.to(x.dtype).T, lambda x: x @ half.astype(mx.float32).T, given)
    assert not found.passed
    assert found.weights.departures[0].startswith("a tensor (8, 8): the port's is rounded to float16")
    assert found.weights.explains
    assert found.weights.facts == ["1 of 1 tensors of the reference are found in the port by value: 1 cast"]


def test_weights_that_half_precision_holds_are_right():
    weight = mx.random.normal((8, 8)).astype(mx.bfloat16)
    mx.eval(weight)
    wide = torch.tensor(np.array(weight.astype(mx.float32)))
    given = {"x": np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)}
    found = parity.compare(lambda x: x @ wide.to(x.dtype).T, lambda x: x @ weight.astype(mx.float32).T, given)
    assert found.passed
    assert not any("bfloat16" in note for note in found.proof.notes)


def test_what_is_saved(reference, tmp_path):
    found = parity.compare(reference, port(reference, "tanh"), inputs(13))
    found.save(tmp_path / "report")
    stored = json.loads((tmp_path / "report" / "comparison.json").read_text())
    assert stored["schema"] == 4 and not stored["passed"] and stored["first"] == found.first
    suite = ElementTree.parse(tmp_path / "report" / "junit.xml").getroot()
    assert suite.attrib["tests"] == "4" and suite.attrib["failures"] == "4"
    assert all("gelu" in failure.text for failure in suite.findall("testcase/failure")[:2])
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<h1>Fail</h1>" in page and "gelu(x, approximate=none)" in page
    right = parity.compare(reference, port(reference), inputs(13))
    right.save(tmp_path / "report")
    assert ElementTree.parse(tmp_path / "report" / "junit.xml").getroot().attrib["failures"] == "0"
    assert "<h1>Pass</h1>" in (tmp_path / "report" / "index.html").read_text()


def test_the_command_says_both_verdicts(folder, capsys):
    names = ["compare", "two_sides:running_sum", "two_sides:summed_one_by_one"]
    assert main([*names, "--inputs", "x.npz", "--report", "report", "--json", "found.json"]) == PASS
    said = capsys.readouterr().out
    assert "PROVEN" in said and "output 0: rounding" in said and (folder / "report" / "index.html").is_file()
    assert json.loads((folder / "found.json").read_text())["verdicts"][0]["word"] == "rounding"
    assert main([*names, "--inputs", "x.npz", "--strict"]) == FAILURE
    assert main([*names, "--inputs", "x.npz", "--exact"]) == PASS
    assert "on the device" not in capsys.readouterr().out.rpartition("PROVEN")[2]
    assert main(["compare", names[1], "two_sides:Halving", "--inputs", "x.npz"]) == FAILURE


def test_what_a_model_prints_is_not_in_the_json(folder, capsys):
    (folder / "two_sides.py").write_text(MODULES + "\nprint('loaded')\n")
    line = ["compare", "two_sides:running_sum", "two_sides:summed_one_by_one", "--inputs", "x.npz", "--json", "-"]
    assert main(line) == PASS
    said = capsys.readouterr()
    assert json.loads(said.out)["passed"] and "loaded" in said.err


def test_options_of_the_other_kind_are_refused(folder, capsys):
    assert main(["compare", "two_sides:running_sum", "two_sides:summed_one_by_one"]) == BROKEN
    assert "two models take --inputs" in capsys.readouterr().err
    assert main(["compare", "golden", "dumps", "--inputs", "x.npz"]) == BROKEN
    assert "--inputs is for two models" in capsys.readouterr().err
