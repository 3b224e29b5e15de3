"""The C++ port, from its files alone: each right part is proven, and each fault is found at its operation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from parity.exact.constants import resolved, unresolved
from parity.exact.inputs import load
from parity.exact.program import Program, evaluate
from parity.prove import Proof, prove
from tests.exact.cpp.build import committed
from tests.exact.cpp.called import decoder_block
from tests.exact.cpp.faults import PARTS
from tests.exact.cpp.subject import inputs

FOUND = {
    ("encoder", "shift"): ["aten.pad", "aten.slice"] * 2,
    ("encoder", "scale"): ["aten.mul"] * 2,
    ("encoder", "epsilon"): ["aten.layer_norm"] * 2,
    ("encoder", "padding"): ["aten.pad"],
    ("decoder_block", "gelu"): ["aten.gelu"],
    ("decoder_block", "epsilon"): ["aten.layer_norm"] * 4,
    ("decoder_block", "padding"): ["aten.pad"] * 2,
}
"""The operations of the reference at which each fault is found, wherever the part has it."""


MEANT = (1e-5, 2**0.5, -1e10)
"""What the scalars of the decoder's block stand for. Its weights are the reference's, which are float32 too."""


def proof(part: str, kind: str, folder: Path) -> Proof:
    np.savez(folder / "inputs.npz", **inputs(part))
    return prove(f"tests.exact.cpp.called:{part}", str(committed(part, kind)), [folder / "inputs.npz"])


@pytest.mark.parametrize("part", PARTS)
def test_a_right_part_is_proven(tmp_path: Path, part: str) -> None:
    proven = proof(part, "right", tmp_path)
    assert proven.proven
    assert proven.found is None
    assert {how for row in proven.weights.rows for how in row.how} == {"as it is", "permuted"}


def test_what_is_left_of_the_encoder_is_rounding_in_double(tmp_path: Path) -> None:
    (output,) = proof("encoder", "right", tmp_path).outputs
    assert output.error <= 1e-13


def test_what_is_left_of_the_decoder_block_is_scalars_in_float32() -> None:
    given = inputs("decoder_block")
    program = load(committed("decoder_block"), given)
    want = evaluated(decoder_block().double(), given)
    meant = {}
    for number, constant in unresolved(program).items():
        near = [value for value in MEANT if constant.array.ndim == 0 and abs(value / constant.array - 1) < 1e-6]
        meant[number] = np.asarray(near[0]) if near else constant.array

    def error(program: Program) -> float:
        found = evaluate(program, list(given.values()))[program.outputs[0]]
        return float(np.abs(found - want).max() / np.sqrt(np.mean(want**2)))

    assert 1e-10 < error(program) < 1e-7
    assert error(resolved(program, meant)) <= 1e-13


def evaluated(module: nn.Module, given: dict[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return module(**{name: torch.from_numpy(array.astype(np.float64)) for name, array in given.items()}).numpy()


@pytest.mark.parametrize(("part", "fault"), FOUND)
def test_a_fault_is_found_at_its_operation(tmp_path: Path, part: str, fault: str) -> None:
    proven = proof(part, fault, tmp_path)
    assert not proven.proven
    assert proven.found.proven
    found = [node.operation for departure in proven.found.departures for node in departure.reference]
    assert found == FOUND[part, fault]


def test_every_fault_is_looked_for() -> None:
    assert {(part, fault) for part, faults in PARTS.items() for fault in faults} == set(FOUND)
