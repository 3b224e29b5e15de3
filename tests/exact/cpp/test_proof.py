"""The C++ port, proven from its file alone: the right one, and three with a fault each, found at its operation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parity.prove import Proof, prove
from tests.exact.cpp.subject import inputs

FOLDER = Path(__file__).parent
REFERENCE = "tests.exact.cpp.called:Reference"


def proof(name: str, folder: Path) -> Proof:
    np.savez(folder / "x.npz", **dict(zip(("x", "mask", "t"), inputs(), strict=True)))
    return prove(REFERENCE, str(FOLDER / f"{name}.mlxfn"), [folder / "x.npz"])


def test_the_right_port_is_proven(tmp_path):
    proven = proof("right", tmp_path)
    assert proven.proven
    assert proven.found is None


@pytest.mark.parametrize(
    ("fault", "operations"),
    [("epsilon", ["aten.layer_norm"] * 4), ("gelu", ["aten.gelu"]), ("padding", ["aten.pad"] * 2)],
)
def test_a_fault_is_found_at_its_operation(tmp_path, fault, operations):
    proven = proof(fault, tmp_path)
    assert not proven.proven
    assert proven.found.proven
    found = [node.operation for departure in proven.found.departures for node in departure.reference]
    assert found == operations
