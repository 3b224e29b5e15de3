"""`parity discover`: a pair that nobody prepared becomes a contract that passes, and that finds what is wrong later."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path

import mlx.core
import mlx.nn
import numpy as np
import pytest
import torch

import parity
from parity import contract as contracts
from parity.base.errors import InputError
from parity.cli import main
from parity.contract import Contract, Tap
from parity.contract.implementation import make_case
from parity.match.discover import GRAPH, MODULE, NOTHING
from parity.prove.written import CONTRACT, SIDES, patterns
from tests.meta.discovered import estimator, mlx_stack, torch_stack

REFERENCE, PORTS = "tests.meta.discovered.torch_stack:reference", "tests.meta.discovered.mlx_stack"
LENGTHS = {"short": 9, "long": 14}


@pytest.fixture(autouse=True)
def own_sides(monkeypatch):
    """Each folder has sides of one name: those of one test are not those of the next."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop(SIDES.removesuffix(".py"), None)
    yield
    sys.modules.pop(SIDES.removesuffix(".py"), None)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("inputs")
    for name, length in LENGTHS.items():
        np.savez(folder / f"{name}.npz", **torch_stack.inputs(length))
    return [folder / f"{name}.npz" for name in LENGTHS]


def discover(files: list[Path], port: str, out: Path, *more: str) -> int:
    inputs = [word for file in files for word in ("--inputs", str(file))]
    return main(["discover", REFERENCE, f"{PORTS}:{port}", *inputs, "-o", str(out), *more])


def verify(folder: Path, case: str, *more: str) -> tuple[int, dict]:
    sys.modules.pop(SIDES.removesuffix(".py"), None)
    result = folder / "result.json"
    code = main(["verify", "--contract", str(folder / CONTRACT), "--case", case, "--json", str(result), "-q", *more])
    return code, json.loads(result.read_text())


def load(folder: Path) -> Contract:
    return contracts.load(folder / CONTRACT)


def taps(contract: Contract) -> list[Tap]:
    return [tap for segment in contract.segments({}) for tap in segment.taps]


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "contract"
    assert discover(files, "candidate", out) == 0
    return out


def test_a_pair_with_other_names_and_another_layout_is_verified_without_an_edit(whole):
    for case in LENGTHS:
        code, result = verify(whole, case)
        assert (code, result["failures"]) == (0, 0)
        assert set(result["words"]) == {"equal"}


def test_every_module_is_a_tap_in_the_order_of_the_data_with_its_name_and_axes(whole):
    contract, model = load(whole), torch_stack.reference()
    order = []
    for path, module in model.named_modules():
        module.register_forward_hook(lambda *_, path=path: order.append(path))
    model(**{name: torch.tensor(array) for name, array in torch_stack.inputs(9).items()})
    fused = [path for path in order if path.endswith(".act")]
    wanted = [path for path in order if path not in ("", *fused)]
    assert [tap.path for tap in taps(contract)] == [*wanted, "output"]
    for path in wanted:
        renamed = path
        for ours, theirs in mlx_stack.RENAMED.items():
            renamed = renamed.replace(ours, theirs)
        assert contract.names[path] == renamed.replace("attention", "mix")
    axes = {tap.path: tap.axes for tap in taps(contract)}
    assert axes["stem"] == "b c t"
    assert axes["blocks.0.norm1"] == "b t c"
    assert contract.layouts == {"b c t": "b t c"}
    text = (whole / CONTRACT).read_text()
    assert all(f"# {path}: found in the graph as a value, no module to capture: node " in text for path in fused)
    lines = [line for line in text.splitlines() if line.startswith("    [")]
    assert all("over 2 sets of inputs" in line for line in lines[:-1])


@pytest.mark.parametrize(("port", "tap"), [("faulty", "blocks.1"), ("another_epsilon", "blocks.2.norm2")])
def test_a_fault_that_comes_later_is_found_at_its_tap(whole, tmp_path, port, tap):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / SIDES).read_text()
    (tmp_path / SIDES).write_text(text.replace("import candidate as", f"import {port} as"))
    code, result = verify(tmp_path, "short")
    assert code == 1
    assert (result["first_failure"]["tap"], result["first_failure"]["mode"]) == (tap, "local")
    assert result["first_failure"]["word"] == "wrong"


@pytest.mark.parametrize(("port", "tap"), [("faulty", "blocks.1"), ("another_epsilon", "blocks.2.norm2")])
def test_a_port_with_a_fault_is_discovered_whole_and_then_fails_there(files, tmp_path, port, tap, capsys):
    assert discover(files, port, tmp_path / "contract") == 0
    assert "departs from the reference at 1 place:" in capsys.readouterr().out
    assert not load(tmp_path / "contract").not_judged
    code, result = verify(tmp_path / "contract", "short")
    assert (code, result["first_failure"]["tap"]) == (1, tap)


def test_of_an_encoder_alone_what_it_has_is_judged(files, tmp_path, capsys):
    assert discover(files, "encoder", tmp_path / "contract") == 0
    assert "head: no counterpart" in capsys.readouterr().out
    code, result = verify(tmp_path / "contract", "long")
    assert code == 0
    assert {name.partition("[")[0] for name in result["not_judged"]} == {"final", "head", "output", "handed-on.output"}
    assert not any(one["given"] for one in result["not_judged"].values())
    assert {verdict["tap"] for verdict in result["verdicts"]} >= {"stem", "blocks.2", "blocks.0.attention.key"}


def test_of_a_port_without_the_last_block_nothing_behind_it_is_judged(files, tmp_path):
    assert discover(files, "short", tmp_path / "contract") == 0
    (lacking, behind, output) = load(tmp_path / "contract").not_judged
    assert set(lacking.patterns) == {"blocks.2", "blocks.2.*"}
    assert (behind.patterns, behind.why) == (("final", "head"), "behind blocks.2, which the port does not have")
    assert "output" in output.patterns
    code, result = verify(tmp_path / "contract", "short")
    assert code == 0
    assert {name for name, one in result["not_judged"].items() if one["given"]} >= {"final", "head"}
    judged = [tap for tap in taps(load(tmp_path / "contract")) if tap.path.startswith(("stem", "blocks.0", "blocks.1"))]
    assert result["expected_verdicts"] == 2 * len(judged)


def test_what_has_the_weights_alone_is_named_and_not_judged(files, tmp_path):
    assert discover(files, "astray", tmp_path) == 0
    contract = load(tmp_path)
    assert contract.names["final"] == "ln_post"
    assert contract.unjudged("final").why == "found by its weights alone, its value is another"
    code, result = verify(tmp_path, "short")
    assert (code, result["not_judged"]["final"]["given"]) == (0, True)


def test_one_set_of_inputs_is_said_to_say_less(files, tmp_path, capsys):
    assert discover(files[:1], "candidate", tmp_path) == 0
    assert "It rests on one set of inputs" in capsys.readouterr().out
    assert verify(tmp_path, "short")[0] == 0


def test_a_fault_in_a_part_is_found(files, tmp_path):
    assert discover(files, "encoder", tmp_path) == 0
    sides = tmp_path / SIDES
    sides.write_text(sides.read_text().replace("import encoder as", "import faulty_encoder as"))
    code, result = verify(tmp_path, "short")
    assert (code, result["first_failure"]["tap"]) == (1, "blocks.1")


def test_nothing_is_overwritten_without_being_asked(files, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / CONTRACT).write_text("corrected")
    assert discover(files, "candidate", tmp_path) == 2
    assert "exists; nothing is replaced" in capsys.readouterr().err
    assert (tmp_path / CONTRACT).read_text() == "corrected"
    assert sorted(file.name for file in tmp_path.iterdir()) == [CONTRACT, "mine.txt"]
    assert discover(files, "candidate", tmp_path, "--overwrite") == 0
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert len(taps(load(tmp_path))) == 31


def test_two_torch_models_are_discovered(files, tmp_path):
    found = parity.discover(torch_stack.reference, REFERENCE, files)
    found.save(tmp_path)
    assert found.share == 1
    assert load(tmp_path).sides["candidate"]["framework"] == "torch"
    code, result = verify(tmp_path, "short")
    assert (code, set(result["words"])) == (0, {"equal"})


def test_this_projects_own_estimator_has_the_taps_that_its_contract_declares_by_hand(tmp_path, flow_contract):
    found = parity.discover(estimator.Reference, estimator.Candidate, [estimator.inputs(n) for n in (10, 17)])
    assert found.share == 1
    found.save(tmp_path)
    segment = flow_contract.segments(make_case(flow_contract, estimator.CASE).dims, ("ode",))[0]
    declared = {tap.path: tap.axes for tap in segment.taps if tap.path.startswith("decoder")}
    modules = {one.tap: one for one in found.of(MODULE)}
    assert set(declared) <= set(modules)
    for path, axes in declared.items():
        assert modules[path].module == path
        want = flow_contract.candidate_axes(axes).split()
        assert [axes.split()[axis] for axis in modules[path].order] == want
    finer = set(modules) - set(declared)
    assert all(any(path.startswith(f"{above}.") for above in declared if above != "decoder") for path in finer)
    code, result = verify(tmp_path, "inputs-1")
    assert (code, set(result["words"])) == (0, {"equal"})


class Loop(torch.nn.Module):
    """`b c` -> `b c`, in three steps of one layer."""

    def __init__(self):
        super().__init__()
        self.step = torch.nn.Linear(4, 4)
        for place, parameter in enumerate(self.parameters()):
            parameter.data = (torch.arange(parameter.numel()) * (5 - place) % 7 - 3).reshape(parameter.shape) / 8

    def forward(self, x):
        for _ in range(3):
            x = x + torch.tanh(self.step(x))
        return x


class MlxLoop(mlx.nn.Module):
    """The port of `Loop`, of so many steps."""

    steps = 3

    def __init__(self):
        super().__init__()
        self.turn = mlx.nn.Linear(4, 4)
        weights = [mlx.core.array(parameter.numpy()) for parameter in Loop().requires_grad_(False).parameters()]
        self.turn.weight, self.turn.bias = weights

    def __call__(self, x):
        for _ in range(self.steps):
            x = x + mlx.core.tanh(self.turn(x))
        return x


class Longer(MlxLoop):
    """A step more: no path of it names the same calls."""

    steps = 4


def test_a_module_that_runs_several_times_has_a_tap_for_each_call(tmp_path):
    x = np.random.default_rng(0).standard_normal((5, 4), np.float32)
    parity.discover(Loop, MlxLoop, {"x": x}).save(tmp_path)
    assert [tap.path for tap in taps(load(tmp_path))] == ["step", "step[call=1]", "step[call=2]", "output"]
    code, result = verify(tmp_path, "inputs")
    assert (code, set(result["words"])) == (0, {"equal"})
    sides = tmp_path / SIDES
    sides.write_text(sides.read_text().replace("import MlxLoop as", "import Longer as"))
    code, result = verify(tmp_path, "inputs")
    assert code == 1
    assert "step[call=3]" in {verdict["tap"] for verdict in result["verdicts"] if not verdict["passed"]}


def test_a_module_that_is_called_more_often_is_no_tap(tmp_path):
    x = np.random.default_rng(0).standard_normal((5, 4), np.float32)
    found = parity.discover(Loop, Longer, {"x": x})
    assert [one.how for one in found.found] == [GRAPH] * 3
    assert "of a module that is not called as often or in the same turn" in found.found[0].evidence


@pytest.mark.parametrize(
    ("reference", "candidate", "said"),
    [
        (torch_stack.reference(), f"{PORTS}:candidate", "a contract names its two models"),
        (REFERENCE, mlx_stack.candidate(), "a contract names its two models"),
        (REFERENCE, "tests.meta.faults.models:candidate", "is a function: taps are what modules give"),
        ("tests.meta.faults.models:reference", f"{PORTS}:candidate", "taps are what modules give"),
        (REFERENCE, "tests/exact/cpp/graphs/encoder.right.mlxfn", "a graph has no modules to capture"),
    ],
)
def test_what_no_contract_can_be_written_for_is_refused(reference, candidate, said):
    given = {"x": torch_stack.inputs(9)["style"]} if "faults" in str(reference) else torch_stack.inputs(9)
    with pytest.raises(InputError, match=said):
        parity.discover(reference, candidate, given)


def test_the_json_has_every_module(files, tmp_path, capsys):
    out = tmp_path / "found.json"
    assert discover(files, "encoder", tmp_path / "contract", "--json", str(out)) == 0
    data = json.loads(out.read_text())
    how = {one["tap"]: one["how"] for one in data["modules"]}
    assert (how["blocks.0"], how["blocks.0.act"], how["head"]) == (MODULE, GRAPH, NOTHING)
    assert data["cases"] == ["short", "long"]


def test_patterns_name_a_module_and_not_its_namesakes():
    every = ["a.1", "a.1.x", "a.10", "a.10.x", "b"]
    assert patterns(["a.1.x", "a.1"], every) == ["a.1.*", "a.1"]
    assert patterns(["a.10.x", "b"], [*every, "a.10.y"]) == ["a.10.x", "b"]


@pytest.mark.parametrize("pair", ["vocoder", "image"])
def test_a_port_that_folded_its_weights_does_not_depart(pair):
    """Weight norm that is multiplied out, and batch norm that a convolution has taken in, are rounded to float32."""
    sides = f"tests.exact.pairs.{pair}"
    inputs = importlib.import_module(f"{sides}.torch_side").inputs()
    found = parity.discover(f"{sides}.torch_side:reference", f"{sides}.mlx_side:candidate", inputs)
    assert found.matching.departures == []
