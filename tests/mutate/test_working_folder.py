"""A survey of what a user has: one file with both sides and the cases, in the folder that is also the checkpoint."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from parity import contract as contracts
from parity.base.errors import InputError
from parity.mutate.subject import aside, files
from parity.mutate.survey import Choice, Survey, Surveyed
from parity.show.mutation import changed

SIDES = """\
from pathlib import Path

import mlx.core as mx
import numpy as np
import torch

import the_port
from parity.contract.implementation import Case

CASES = ["one"]


def case(name):
    return Case(name, {}, {"x": np.linspace(0.5, 1.5, 40, dtype=np.float32)})


def checkpoint(case):
    return Path()


class TorchSide:
    def __init__(self, checkpoint, options, dtype):
        self.dtype, self.model = getattr(torch, dtype), torch.nn.Module()

    def root(self, segment):
        return self.model

    def run(self, segment, index, state, observe):
        return {"x": observe("y", 3 * torch.tensor(state["x"]).to(self.dtype)).numpy()}

    def release(self):
        pass


class MlxSide:
    def __init__(self, checkpoint, options, dtype):
        self.model = the_port.Port()

    def root(self, segment):
        return self.model

    def release(self):
        pass

    def run(self, segment, index, state, observe):
        return {"x": np.array(observe("y", self.model(mx.array(state["x"]))))}
"""

PORT = """\
import mlx.core as mx
import mlx.nn as nn
import numpy as np


class Port(nn.Module):
    def __call__(self, x):
        scale = mx.array(np.load("scale.npy"))
        np.save("written.npy", np.array(x))
        return scale * x
"""

CONTRACT = """\
cases = "its_sides:case"
checkpoints = "its_sides:checkpoint"
[sides.reference]
factory = "its_sides:TorchSide"
framework = "torch"
[sides.candidate]
factory = "its_sides:MlxSide"
framework = "mlx"
[state]
x = "n"
[[segment]]
name = "whole"
taps = [["y", "n"]]
[[rule]]
pattern = "*"
mode = "*"
ratio64 = 2.0
ratio32 = 2.0
why = "few operations"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    import numpy as np

    for name, text in {"its_sides.py": SIDES, "the_port.py": PORT, "contract.toml": CONTRACT}.items():
        (tmp_path / name).write_text(text)
    np.save(tmp_path / "scale.npy", np.float32(3))
    for name in ("its_sides", "the_port"):  # of another test
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def survey() -> Surveyed:
    contract = contracts.load(Path("contract.toml"))
    return Survey(contract, "", Path("state"), Choice(jobs=1), apart=[Path("out.json")]).run()


def lines(folder: Path) -> list[dict]:
    return [json.loads(text) for text in (folder / "state" / "results" / "mutants.jsonl").read_text().splitlines()]


def test_a_survey_in_the_checkpoint_goes_on_and_leaves_nothing_but_its_state(folder):
    before = {path.name for path in folder.iterdir()}
    found = survey()
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {*before, "state"}
    assert {result.file for result in found.results} == {"its_sides.py", "the_port.py"}
    assert {result.function for result in found.results} == {"MlxSide.run", "Port.__call__"}
    assert found.score.killed >= len(found.results) - 2
    first = lines(folder)
    (folder / "out.json").write_text("{}")
    assert survey().as_dict() == found.as_dict()
    assert lines(folder) == first
    (folder / "the_port.py").write_text(PORT.replace("scale * x", "x * scale"))
    survey()
    assert len(lines(folder)) > len(first)


def test_what_is_changed_is_the_candidates(folder, monkeypatch):
    contract = contracts.load(Path("contract.toml"))
    assert [file.shown for file in files(contract)] == ["its_sides.py", "the_port.py"]
    assert aside(contract) == []
    (folder / "the_port.py").write_text("from layers_of_others import norms\n" + PORT)
    package = folder / "site-packages" / "layers_of_others"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "norms.py").write_text("import mlx.core as mx\n")
    monkeypatch.syspath_prepend(folder / "site-packages")
    assert aside(contract) == ["layers_of_others.norms"]
    assert aside(replace(contract, mutate={"packages": ["the_port"]})) == []


def test_a_function_that_is_not_there_is_said_before_anything_runs(folder):
    contract = replace(contracts.load(Path("contract.toml")), mutate={"random": "its_sides:nothing"})
    with pytest.raises(InputError, match="'its_sides:nothing': cannot be loaded"):
        Survey(contract, "", Path("state"), Choice(jobs=1))


def test_few_files_are_named():
    assert changed(["a.py", "b.py"]) == "changed: a.py, b.py"
    assert changed([f"{number}.py" for number in range(8)]).endswith("5.py and 2 more")
