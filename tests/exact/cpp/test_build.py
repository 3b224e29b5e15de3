"""The committed graphs of the C++ port, and how a build is compared with them."""

from __future__ import annotations

import shutil

import pytest

from parity.exact import mlxfn
from tests.exact.cpp import build
from tests.exact.cpp.faults import PARTS, Fault, kinds

EVERY = [(part, kind) for part in PARTS for kind in kinds(part)]


def test_every_file_is_of_a_part_and_they_are_small() -> None:
    files = {build.committed(part, kind) for part, kind in EVERY}
    assert set((build.HERE / "graphs").iterdir()) == files
    assert sum(file.stat().st_size for file in files) <= 600_000


@pytest.mark.parametrize("fault", [fault for faults in PARTS.values() for fault in faults.values()])
def test_a_fault_is_of_the_source_as_it_is(fault: Fault) -> None:
    assert fault.right in (build.HERE / fault.file).read_text()


def test_builds_are_compared_by_their_graphs() -> None:
    right, gelu = (mlxfn.read(build.committed("decoder_block", kind)).graph for kind in ("right", "gelu"))
    again, epsilon = (mlxfn.read(build.committed("decoder_block", kind)).graph for kind in ("right", "epsilon"))
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
