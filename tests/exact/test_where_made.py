"""A departure says where the port's operation was called, where its values and its module were made; also of a port
that stops.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from parity import contract as contracts
from parity.contract.implementation import make_case
from parity.exact.standin import installed
from parity.exact.standin.made import made_at, making_noted
from parity.run.exact import Exact

SIDES = """\
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import torch

from parity.contract.implementation import Case


def case(name):
    return Case(name, {}, {"x": np.linspace(0.5, 1.5, 40, dtype=np.float32)})


def checkpoint(case):
    return Path(__file__).parent


class TorchScaled(torch.nn.Module):
    def forward(self, x):
        return 3 * x


class TorchSide:
    def __init__(self, checkpoint, options, dtype):
        self.dtype, self.model = getattr(torch, dtype), torch.nn.Module()
        self.model.scale = TorchScaled()

    def root(self, segment):
        return self.model

    def run(self, segment, index, state, observe):
        return {"x": observe("y", torch.sin(self.model.scale(torch.tensor(state["x"]).to(self.dtype)))).numpy()}

    def release(self):
        pass


class Scaled(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def __call__(self, x):
        return times(self.by, x)


def times(factor, x):
    by = factor
    return by * x


class Port(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = Scaled(2.0)

    def __call__(self, x):
        return mx.sin(self.scale(x))


class MlxSide(TorchSide):
    def __init__(self, checkpoint, options, dtype):
        self.model = Port()

    def run(self, segment, index, state, observe):
        observe("y", self.model(mx.array(state["x"])))
        raise ValueError("it stops")
"""

CONTRACT = """\
cases = "sides_where_made:case"
checkpoints = "sides_where_made:checkpoint"
[sides.reference]
factory = "sides_where_made:TorchSide"
framework = "torch"
[sides.candidate]
factory = "sides_where_made:MlxSide"
framework = "mlx"
[state]
x = "n"
[[segment]]
name = "whole"
taps = [["scale", "n"], ["y", "n"]]
[[rule]]
pattern = "*"
mode = "*"
ratio64 = 2.0
ratio32 = 2.0
why = "few operations"
"""


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(SIDES.splitlines(), 1) if text in line)


OBSERVED = 'observe("y", self.model(mx.array(state["x"])))'


@pytest.mark.parametrize("until", [OBSERVED, 'self.model(mx.array(state["x"]))'], ids=["a value", "a module"])
def test_a_departure_says_where_it_was_called_and_made(tmp_path, monkeypatch, until):
    (tmp_path / "contract.toml").write_text(CONTRACT)
    (tmp_path / "sides_where_made.py").write_text(SIDES.replace(OBSERVED, until))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sides_where_made", raising=False)
    contract = contracts.load(tmp_path / "contract.toml")
    report = Exact(contract, make_case(contract, "one"), Path()).run()
    assert report.stopped
    (said,) = report.departures
    _, called = said.split("; called at ")
    file = str(tmp_path / "sides_where_made.py")
    called, rest = called.split("; values made at ")
    assert called.startswith(f"{file}:{line_of('return times(self.by, x)')}, {file}:{line_of('mx.sin(self.scale(x))')}")
    values, made = rest.split("; made at ")
    assert values == f"{file}:{line_of('by = factor')}"
    assert made.startswith(f"{file}:{line_of('self.by = by') - 1}, {file}:{line_of('self.scale = Scaled(2.0)')}")


def test_modules_know_where_they_were_made_inside_alone():
    with installed():
        import mlx.nn as nn

        before = nn.Linear(2, 2)
        with making_noted():
            inside = nn.Linear(2, 2)
        after = nn.Linear(2, 2)
    assert made_at(before) == made_at(after) == made_at(None) == []
    assert next(place.file for place in made_at(inside)) == __file__
    assert list(inside.parameters()) == list(before.parameters())


@pytest.fixture(autouse=True)
def _gone():
    yield
    sys.modules.pop("sides_where_made", None)
