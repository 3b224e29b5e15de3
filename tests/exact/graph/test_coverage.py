"""No primitive of MLX is forgotten: each is defined, refused with advice, or never in a graph that can be exported."""

from __future__ import annotations

import re
from pathlib import Path

import mlx.core as mx

from parity.exact.mlxfn import STATES
from parity.exact.primitives import TABLE
from parity.exact.primitives.registry import REFUSED, advice
from tests.exact.graph import cases_of_parts, cases_of_sums  # noqa: F401 - they enter their cases
from tests.exact.graph.cases import CASES
from tests.exact.graph.test_mac import MAC

HEADERS = ("primitives.h", "fast_primitives.h")
BASES = {"Primitive", "UnaryPrimitive", "Custom"}

UNDER_OTHER_NAMES = {
    "ConvertFP8": ("ToFP8", "FromFP8"),
    "LUF": ("linalg.lu", "linalg.lu_factor", "linalg.solve", "linalg.det", "linalg.slogdet"),
}
"""Primitives that MLX cannot export, traced as what they are used for."""

NEVER = {"CrossEntropy", "GatedDeltaUpdate", "GatherQQMM"}
"""MLX cannot export these, and a CPU runs compositions instead, or nothing."""


def primitives() -> set[str]:
    """The classes of MLX's headers that are primitives."""
    folder = Path(mx.__file__).parent / "include" / "mlx"
    text = "".join((folder / name).read_text() for name in HEADERS)
    return set(re.findall(r"class (?:MLX_API )?(\w+) : public (?:Unary)?(?:Primitive|Custom)\b", text)) - BASES


def refused(name: str) -> bool:
    return name in REFUSED or name.endswith("VJP")


def covered(name: str) -> bool:
    return all(each in TABLE for each in UNDER_OTHER_NAMES.get(name, (name,)))


def test_every_primitive_is_defined_or_refused_with_advice():
    found = primitives()
    assert len(found) > 120
    for name in found:
        kinds = [covered(name), refused(name), name in NEVER]
        assert sum(kinds) == 1, name
        assert len(advice(name)) > 20


def test_at_least_95_of_100_that_a_forward_pass_can_hold_are_defined():
    reachable = {name for name in primitives() if not name.endswith("VJP")} - NEVER
    share = sum(covered(name) for name in reachable) / len(reachable)
    assert share >= 0.95
    assert share < 1  # a random one is refused, so the count counts


def test_every_definition_has_a_test_and_every_state_its_fields():
    other = {name for names in UNDER_OTHER_NAMES.values() for name in names}
    removed = {"Copy", "StopGradient"}  # MLX takes them out of a graph before it is exported
    opaque = {"BitwiseInvert", "Contiguous", "SegmentedMM", "QQMatmul"}  # tests/exact/graph/test_opaque.py
    assert set(TABLE) - {name.split()[0] for name in CASES} - MAC.keys() == other | removed | opaque
    for name, entry in TABLE.items():
        assert name in opaque | other or len(STATES.get(name, "")) == len(entry.arguments), name
