"""A survey of what a user has: one file with both sides and the cases, in the folder that is also the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parity import contract as contracts
from parity.base.errors import InputError
from parity.mutate import arithmetic
from parity.mutate.subject import aside, files
from parity.mutate.survey import Choice, Survey, Surveyed
from parity.show.mutation import changed, percent, second
from parity.show.page import mutation as page

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
        return one() * scale * x


def one():
    halves = mx.array([2048, 1], mx.float16).astype(mx.float32)
    return halves[0] + halves[1] - halves[0]
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


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Iterator[Path]:
    """The folder, in which the tests share what the reference computed."""
    import numpy as np

    folder = tmp_path_factory.mktemp("working")
    for name, text in {"its_sides.py": SIDES, "contract.toml": CONTRACT}.items():
        (folder / name).write_text(text)
    np.save(folder / "scale.npy", np.float32(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture
def folder(state) -> Path:
    (state / "the_port.py").write_text(PORT)
    return state


def made(**choice: Any) -> Survey:
    contract = contracts.load(Path("contract.toml"))
    return Survey(contract, "", Path("state"), Choice(jobs=1, **choice), apart=[Path("out.json")])


def survey(**choice: Any) -> Surveyed:
    return made(**choice).run()


def lines(folder: Path, kind: str = "results") -> list[dict]:
    return [json.loads(text) for text in (folder / "state" / kind / "mutants.jsonl").read_text().splitlines()]


def test_a_survey_in_the_checkpoint_goes_on_and_leaves_nothing_but_its_state(folder):
    before = {path.name for path in folder.iterdir()} | {"state", "__pycache__"}
    found = survey()
    assert {path.name for path in folder.iterdir()} <= before
    assert {result.file for result in found.results} == {"its_sides.py", "the_port.py"}
    assert {result.function for result in found.results} == {"MlxSide.run", "Port.__call__", "one"}
    first = lines(folder)
    (folder / "out.json").write_text("{}")
    assert survey().as_dict() == found.as_dict()
    assert lines(folder) == first
    before_change = made().named
    (folder / "the_port.py").write_text(PORT.replace("scale * x", "x * scale"))
    assert made().named != before_change


def test_the_arithmetic_alone_notices_what_double_cannot_show(folder):
    found = survey(arithmetic="all", files=("the_port.py",))
    measured = found.arithmetic
    assert measured is not None
    cast = next(result for result in found.results if result.operator == "dtype" and "astype" in result.before)
    assert cast.outcome == "precision"
    assert found.score.apart >= 1
    assert found.score.killed + found.score.survived == len(found.results) - found.score.apart
    there = {result.id: result for result in measured.results}
    assert there.keys() == {result.id for result in found.results}
    assert (there[cast.id].outcome, there[cast.id].tap, there[cast.id].device) == ("wrong", "y", "cpu")
    assert "ratio32" in there[cast.id].reason
    assert measured.failing == 0
    assert "Device(cpu, 0)" in measured.environment["mlx device"]
    assert f"{percent(measured.score)} of {measured.score.killed + measured.score.survived}" in second(measured)
    assert "On the device: wrong in one whole on cpu: y accumulated: ratio32" in page.page(found)
    assert len(lines(folder, "arithmetic")) == len(there)
    chosen = [result for result in found.results if arithmetic.is_chosen(result, "survivors")]
    assert [result.id for result in found.results if not result.killed] == [result.id for result in chosen]
    assert all(arithmetic.is_chosen(result, "all") for result in found.results)
    survivors = replace(measured, which="survivors")
    assert "of those that survived in double or convert a precision" in second(survivors)


def test_what_fails_as_it_is_judges_no_mutant(folder):
    """A candidate that rounds more than its bounds allow is right in double: its own failures count for none."""
    port = PORT.replace("return one() * scale * x", "return one() * scale * (x + 4096.0 - 4096.0)")
    (folder / "the_port.py").write_text(port)
    measured = survey(arithmetic="all", files=("the_port.py",), sample=8).arithmetic
    assert measured is not None
    assert measured.failing > 0
    assert "verdicts fail of the candidate as it is and judge no mutant" in second(measured)
    assert not any(result.outcome == "wrong" for result in measured.results)


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
