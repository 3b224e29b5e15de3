"""A port in C++, from its `.mlxfn` alone: the right one is the reference in double, each faulty one is not."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from parity.exact import mlxfn
from parity.exact.constants import resolved, unresolved
from parity.exact.graph import independent
from parity.exact.inputs import load
from parity.exact.program import Program, evaluate
from tests.exact.cpp import build
from tests.exact.cpp.subject import CONFIG, expected, inputs

MEANT = (1e-5, 1e-6, CONFIG.head_width**-0.5, 2**0.5, (2 / np.pi) ** 0.5, 0.044715, -1e10)
"""What the scalars of the port stand for. Its weights are the reference's, which are float32 too."""


def exact(program: Program) -> Program:
    found = {}
    for number, constant in unresolved(program).items():
        near = [value for value in MEANT if constant.array.ndim == 0 and abs(value / constant.array - 1) < 1e-6]
        found[number] = np.asarray(near[0]) if near else constant.array
    return resolved(program, found)


def error(program: Program) -> float:
    """The largest difference from the reference in double, in parts of its RMS."""
    want = expected(*inputs())
    found = evaluate(program, inputs())[program.outputs[0]]
    return float(np.abs(found - want).max() / np.sqrt(np.mean(want**2)))


def test_the_right_port_is_the_reference() -> None:
    program = load(build.committed("none"), inputs())
    assert error(exact(program)) <= 1e-10
    assert 1e-10 < error(program) < 1e-7  # its scalars are float32
    assert independent(program) == []


@pytest.mark.parametrize(("fault", "least"), [("gelu", 1e-4), ("epsilon", 1e-5), ("padding", 1e-1)])
def test_a_faulty_port_is_not(fault: str, least: float) -> None:
    assert error(exact(load(build.committed(fault), inputs()))) > least


def test_files_are_small() -> None:
    assert all(build.committed(kind).stat().st_size <= 100_000 for kind in build.KINDS)


def test_builds_are_compared_by_their_graphs() -> None:
    right, gelu = (mlxfn.read(build.committed(kind)).graph for kind in ("none", "gelu"))
    again, epsilon = (mlxfn.read(build.committed(kind)).graph for kind in ("none", "epsilon"))
    again.constants = {name: array.copy() for name, array in again.constants.items()}
    assert build.same(right, again)
    assert not build.same(right, gelu)
    assert not build.same(right, epsilon)
    next(iter(again.constants.values()))[...] += 1
    assert not build.same(right, again)


def test_without_a_compiler_the_build_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("sys.argv", ["build"])
    assert build.main() == 2
    assert "install g++" in capsys.readouterr().err
