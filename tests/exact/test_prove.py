"""`parity prove`: right and faulty ports of a small model, and what is given wrongly."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from parity.cli import BROKEN, FAILURE, PASS, main
from parity.prove.inputs import declared, equally_long, layouts, turned
from parity.prove.outputs import compare

REFERENCE = '''
import torch


class Model(torch.nn.Module):
    """`x (B, C, T)`, `gain (W,)` -> `(B, T, 5)`."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(6, 8, 3, padding=1)
        self.norm = torch.nn.LayerNorm(8)
        self.out = torch.nn.Linear(8, 5)

    def forward(self, x, gain):
        h = self.norm(self.conv(x).transpose(1, 2))
        return self.out(torch.nn.functional.gelu(h * gain))


def reference():
    torch.manual_seed(0)
    return Model()


model = reference()


def function(x, gain):
    return x.mean(1)[:, None] * gain[:3, None]


def blind(x, gain):
    return x * 2


def recurrent(x, gain):
    state = torch.zeros_like(x[:, :, 0])
    for frame in range(x.shape[2]):
        state = torch.tanh(state * gain[:6] + x[:, :, frame])
    return state
'''

PORT = '''
import mlx.core as mx
import mlx.nn as nn
import numpy as np
from small_reference import reference


class Model(nn.Module):
    """`x (B, T, C)`, `gain (W,)` -> `(B, T, 5)`."""

    def __init__(self, approx="none", eps=1e-5):
        super().__init__()
        self.conv = nn.Conv1d(6, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8, eps=eps)
        self.out = nn.Linear(8, 5)
        self.activation = nn.GELU(approx=approx)

    def __call__(self, x, gain):
        h = self.norm(self.conv(x))
        return self.out(self.activation(h * gain))


def loaded(port):
    for name, tensor in reference().state_dict().items():
        value = tensor.numpy().transpose(0, 2, 1) if tensor.ndim == 3 else tensor.numpy()
        port.load_weights([(name, mx.array(np.ascontiguousarray(value)))], strict=False)
    return port


def strided():
    """MLX 0.32.4 writes a weight that is a view, as this one of a convolution, in the order of its memory."""
    port = loaded(Model())
    port.conv.weight = mx.array(reference().conv.weight.detach().numpy()).swapaxes(1, 2)
    mx.eval(port.parameters())
    return port


class Asking(Model):
    def __call__(self, x, gain):
        return super().__call__(x * 2 if mx.mean(x).item() > 100 else x, gain)


class Deaf(Model):
    def __call__(self, x, gain):
        return super().__call__(x, mx.ones(8))


candidate = loaded(Model())
right = lambda: loaded(Model())
tanh = lambda: loaded(Model(approx="tanh"))
both = lambda: loaded(Model(approx="tanh", eps=1e-6))
asking = lambda: loaded(Asking())
deaf = lambda: loaded(Deaf())


def function(x, gain):
    return x.mean(1)[:, None] * gain[:3, None]


def pair(x, gain):
    return x, gain


def narrow(x, gain):
    return candidate(x, gain)[..., :4]


def blind(x, gain):
    return x * 2


def recurrent(x, gain):
    state = mx.zeros_like(x[:, 0])
    for frame in range(x.shape[1]):
        state = mx.tanh(state * gain[:6] + x[:, frame])
    return state


def forgetful(x, gain):
    return recurrent(x[:, 1:], gain)


number = 3
'''


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with both modules and inputs `a`, `b`, `c` of three lengths, which is the working directory."""
    (tmp_path / "small_reference.py").write_text(REFERENCE)
    (tmp_path / "small_port.py").write_text(PORT)
    for name, frames in {"a": 13, "b": 17, "c": 21}.items():
        generator = np.random.default_rng(frames)
        x = generator.standard_normal((2, 6, frames)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", x=x, gain=generator.standard_normal(8).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("small_reference", "small_port"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def prove(port: str, *options: str, reference: str = "small_reference:reference", files: str = "abc") -> int:
    given = [part for name in files for part in ("--inputs", f"{name}.npz")]
    return main(["prove", reference, port, *given, *options])


def result(folder: Path) -> dict:
    return json.loads((folder / "proof.json").read_text())


def export(folder: Path, port: str, name: str = "port.mlxfn") -> str:
    import mlx.core as mx
    import small_port

    model = getattr(small_port, port)()
    with np.load(folder / "a.npz") as file:
        x, gain = mx.array(file["x"].transpose(0, 2, 1)), mx.array(file["gain"])
    mx.export_function(str(folder / name), lambda x, gain: model(x, gain), x, gain)
    return name


@pytest.mark.parametrize("source", [(), ("--source", "graph"), ("--source", "standin")])
@pytest.mark.parametrize("port", ["candidate", "right"])
def test_a_right_port_is_proven(folder, port, source):
    assert prove(f"small_port:{port}", *source, "--json", "proof.json") == PASS
    proof = result(folder)
    assert proof["proven"] and proof["outputs"][0]["error"] < 1e-13
    assert proof["layout"]["x"] == [0, 2, 1]
    assert not proof["notes"]


@pytest.mark.parametrize("reference", ["model", "reference", "Model"])
def test_a_reference_is_a_module_a_factory_or_a_class(folder, reference):
    expected = FAILURE if reference == "Model" else PASS  # its weights are drawn anew
    assert prove("small_port:candidate", reference=f"small_reference:{reference}") == expected


def test_functions_are_proven(folder):
    assert prove("small_port:function", "--axes", "x: b c t -> b c t", reference="small_reference:function") == PASS


def test_programs_of_other_operations_at_other_lengths(folder):
    assert prove("small_port:recurrent", reference="small_reference:recurrent") == PASS
    assert prove("small_port:forgetful", "--json", "proof.json", reference="small_reference:recurrent") == FAILURE
    assert "departures are those of the first inputs" in " ".join(result(folder)["notes"])


def test_a_faulty_activation_is_named(folder, capsys):
    assert prove("small_port:tanh", "--json", "proof.json") == FAILURE
    (departure,) = result(folder)["matching"]["departures"]
    assert departure["healed"]
    assert departure["reference"]["formula"].startswith("gelu(")
    assert "tanh" in departure["candidate"]["formula"]
    assert "gelu(h * gain)" in departure["reference"]["lines"][0]
    assert "NOT PROVEN" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["graph", "standin"])
def test_two_faults_are_two_departures(folder, source):
    assert prove("small_port:both", "--source", source, "--json", "proof.json") == FAILURE
    matching = result(folder)["matching"]
    assert matching["proven"]
    assert [departure["module"] for departure in matching["departures"]] == ["norm", ""]


def test_control_flow_that_depends_on_values_is_run_in_the_stand_in(folder):
    assert prove("small_port:asking", "--json", "proof.json") == PASS
    proof = result(folder)
    assert proof["source"] == "standin"
    assert "small_port.py" in proof["notes"][0]
    assert prove("small_port:asking", "--source", "graph") == BROKEN


def test_an_output_that_does_not_depend_on_an_input_fails(folder):
    assert prove("small_port:deaf", "--json", "proof.json") == FAILURE
    assert result(folder)["independent"] == ["the port's output does not depend on gain"]
    assert prove("small_port:blind", "--json", "proof.json", reference="small_reference:blind") == FAILURE
    proof = result(folder)
    assert proof["outputs"][0]["equal"] and len(proof["independent"]) == 2


def test_one_set_of_shapes_asks_for_another(folder):
    assert prove("small_port:right", "--json", "proof.json", files="a") == PASS
    assert "another length" in " ".join(result(folder)["notes"])
    assert prove("small_port:tanh", "--json", "proof.json", files="a") == FAILURE
    assert len(result(folder)["matching"]["departures"]) == 1


def test_declared_axes_decide(folder):
    assert prove("small_port:right", "--axes", "x: b c t -> b t c") == PASS
    assert prove("small_port:right", "--axes", "x: b c t -> b c t") == BROKEN
    assert prove("small_port:right", "--axes", "output: b t c -> b c t") == BROKEN
    assert prove("small_port:right", "--axes", "output: b t -> b t") == BROKEN


@pytest.mark.parametrize(("port", "code"), [("right", PASS), ("tanh", FAILURE)])
def test_a_file_is_proven_without_its_source(folder, port, code):
    file = export(folder, port)
    assert prove(file, "--json", "proof.json", files="a") == code
    assert result(folder)["source"] == "file"
    assert prove(file, "--source", "graph", files="a") == BROKEN


def test_a_file_that_holds_a_weight_in_another_order_departs_there(folder, capsys):
    assert prove("small_port:strided") == PASS
    assert prove(export(folder, "strided"), "--json", "proof.json", files="a") == FAILURE
    proof = result(folder)
    assert proof["matching"]["departures"][0]["module"] == "conv"
    (said,) = proof["views"]
    assert "conv.weight (8, 6, 3) as (8, 3, 6)" in said and "without turning it" in said
    lines = capsys.readouterr().out.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.strip() == said]
    assert lines[place - 1].startswith("departure 1 in conv: ")


def truncated(folder: Path) -> str:
    data = (folder / export(folder, "right")).read_bytes()
    (folder / "port.mlxfn").write_bytes(data[: len(data) // 2])
    return "port.mlxfn"


def other_version(folder: Path) -> str:
    import mlx.core as mx

    path = folder / export(folder, "right")
    version = mx.__version__.encode()
    path.write_bytes(path.read_bytes().replace(version, version[:-1] + b"9", 1))
    return "port.mlxfn"


def several_functions(folder: Path) -> str:
    import mlx.core as mx

    with mx.exporter(str(folder / "port.mlxfn"), lambda x, gain: x * 2 + gain[0]) as exporter:
        for frames in (13, 14):
            exporter(mx.zeros((2, frames, 6)), mx.zeros(8))
    return "port.mlxfn"


@pytest.mark.parametrize(
    ("port", "said"),
    [
        (truncated, "truncated"),
        (other_version, "exported by MLX"),
        (several_functions, "holds 2 functions"),
        (lambda folder: "absent.mlxfn", "cannot be read"),
        (lambda folder: "small_port:absent", "small_port has no 'absent'"),
        (lambda folder: "absent:port", "cannot be loaded"),
        (lambda folder: "small_port", "expected 'module:name'"),
        (lambda folder: "small_port:number", "expected a module, a function"),
        (lambda folder: "small_port:pair", "gives 1 arrays, the port 2"),
        (lambda folder: "small_port:narrow", "has shape"),
    ],
)
def test_a_port_that_cannot_be_judged(folder, port, said, capsys):
    assert prove(port(folder), files="a") == BROKEN
    broken(capsys.readouterr().err, said)


INPUTS = {
    "shape": ({"x": np.ones((2, 6, 14), np.float32)}, "has shape"),
    "dtype": ({"gain": np.arange(8, dtype=np.int32)}, "int32"),
    "text": ({"x": np.array("tokens")}, "expected numbers"),
    "empty": ({"x": np.ones((2, 6, 0), np.float32)}, "is empty"),
    "nan": ({"x": np.full((2, 6, 13), np.nan, np.float32)}, "NaN"),
    "infinite": ({"gain": np.full(8, np.inf, np.float32)}, "NaN or infinity"),
    "more": ({"mask": np.ones(3, np.float32)}, "mask besides"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_that_cannot_be_judged(folder, name, capsys):
    arrays, said = INPUTS[name]
    with np.load(folder / "a.npz") as file:
        np.savez(folder / "bad.npz", **{**file, **arrays})
    assert main(["prove", "small_reference:reference", export(folder, "right"), "--inputs", "bad.npz"]) == BROKEN
    broken(capsys.readouterr().err, said)


def test_a_missing_key_is_named(folder, capsys):
    with np.load(folder / "a.npz") as file:
        np.savez(folder / "a.npz", x=file["x"])
    assert prove("small_port:right", files="a") == BROKEN
    broken(capsys.readouterr().err, "the inputs have no 'gain'")
    assert prove("small_port:right", files="ba") == BROKEN
    broken(capsys.readouterr().err, "differs from b.npz in gain")


def test_a_file_that_is_no_npz(folder, capsys):
    (folder / "a.npz").write_bytes(b"PK\x03\x04 and no more")
    assert prove("small_port:right", files="a") == BROKEN
    broken(capsys.readouterr().err, "cannot be read as .npz")


@pytest.mark.parametrize(
    "axes", ["x b c -> c b", "x: b c", "x: b c -> b d", "x: b b -> b b", "y: a -> a", "x: b c -> c b"]
)
def test_axes_that_say_nothing(folder, axes, capsys):
    assert prove("small_port:right", "--axes", axes, files="a") == BROKEN
    broken(capsys.readouterr().err, "--axes")


def broken(error: str, said: str) -> None:
    """One sentence that begins with the command's name, behind the line that says what is being done."""
    (line,) = [line for line in error.splitlines() if not line.startswith("proving")]
    assert line.startswith("parity: ")
    assert said in line


def test_layouts_begin_with_the_reference_s_own():
    x = {"x": np.zeros((2, 3, 4)), "t": np.zeros(2)}
    found = list(layouts(x, {}))
    assert [row["x"] for row in found] == [(0, 1, 2), (0, 2, 1)]
    assert turned(x, found[1])["x"].shape == (2, 4, 3)
    assert [row["x"] for row in layouts(x, declared(["x: a b c -> c b a"]))] == [(2, 1, 0)]


def test_axes_of_equal_length_are_warned_of():
    square, oblong = {"x": np.zeros((1, 4, 4))}, {"x": np.zeros((1, 5, 4))}
    assert len(equally_long([square])) == 1
    assert not equally_long([square, oblong])


def test_outputs_are_compared_in_one_order_of_axes():
    x = np.random.default_rng(0).standard_normal((3, 4))
    y = np.random.default_rng(1).standard_normal((4, 3))
    (output,) = compare([[x.T], [y.T]], [[x], [y]], {})
    assert output.equal and output.order == (1, 0)
    (output,) = compare([[x.T], [y + 1e-9]], [[x], [y.T]], {})
    assert not output.equal


OUTPUTS = """
import mlx.core as mx
import numpy as np
import torch


def by_name(x):
    return {"u": torch.tanh(x), "v": torch.exp(x)}


def not_a_number(x):
    return torch.log(-x * x - 1)


def same_names(x):
    return {"v": mx.exp(x), "u": mx.tanh(x)}


def exchanged(x):
    return {"v": mx.tanh(x), "u": mx.exp(x)}


def also_none(x):
    return mx.sqrt(-x * x - 1)


def through_numpy(x):
    return mx.array(np.tanh(np.array(x)))
"""


@pytest.mark.parametrize(
    ("reference", "port", "code", "said"),
    [
        ("by_name", "same_names", 0, "PROVEN"),
        ("by_name", "exchanged", 1, "NOT PROVEN"),
        ("not_a_number", "also_none", 2, "is NaN"),
        ("by_name", "through_numpy", 2, "no result of its operations"),
    ],
)
def test_outputs_are_compared_by_name_and_must_be_numbers(tmp_path, monkeypatch, capsys, reference, port, code, said):
    (tmp_path / "outputs_of_both.py").write_text(OUTPUTS)
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = "outputs_of_both"
    assert main(["prove", f"{module}:{reference}", f"{module}:{port}", "--inputs", "x.npz"]) == code
    printed = capsys.readouterr()
    assert said in printed.out + printed.err


def test_a_port_in_the_place_of_the_reference_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "exchanged_names.py").write_text("import mlx.nn as nn\n\nport = nn.Linear(6, 6)\n")
    np.savez(tmp_path / "x.npz", x=np.ones((5, 6), np.float32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["prove", "exchanged_names:port", "exchanged_names:port", "--inputs", "x.npz"]) == 2
    assert "no torch module" in capsys.readouterr().err


def test_an_npy_file_in_the_place_of_an_npz_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "any_model.py").write_text(OUTPUTS)
    np.save(tmp_path / "x.npy", np.ones((5, 6), np.float32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["prove", "any_model:by_name", "any_model:same_names", "--inputs", "x.npy"]) == 2
    assert "cannot be read as .npz" in capsys.readouterr().err
