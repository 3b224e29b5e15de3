"""Ten small ports as users write them: each is equal, rewritten or not, and a fault of each kind is told.

`tests/exact/pairs/battery.py` has all faults.
"""

from __future__ import annotations

import importlib

import pytest

from tests.exact.pairs import PAIRS
from tests.exact.pairs.find import answer, compared
from tests.exact.pairs.planting import PACKAGE, Planted


def plans(name: str) -> list[Planted]:
    return [change for pair in PAIRS for change in getattr(importlib.import_module(f"{PACKAGE}.{pair}.faults"), name)]


SAMPLE = [
    "self.eps = 1e-6",  # an epsilon
    "mx.log10(mel + 1e-5)",  # a floor that is added
    "nn.gelu_approx(self.fc1(h))",  # an approximation
    "self.final_norm(h.astype(mx.float16)",  # a cast
    "scores * dim**-0.5",  # a scale
    "[517] *= 1.01",  # one row of a thousand
    "-10.0).astype(h.dtype)",  # a mask
    "self.position_embedding[1 :",  # positions
    "traditional=True",  # halves of a head
    "nn.GroupNorm(8, given",  # groups
    "padding=1, dilation=1, groups=4",  # a dilation
    "[(0, 0), (0, 6), (0, 0)]",  # a side of padding
    "n = mx.tanh(xn + z * (hn + self.bias_n))",  # a gate for the other
    "return self.factor * (y + shared)",  # an order
    "self.norm = nn.RMSNorm(dim, eps=1e-6)",  # an epsilon behind a loop
    "mx.concatenate([skip, h], axis=-1)",  # an order of channels
    "return self.down(h)",  # a half step
]


@pytest.mark.parametrize("pair", PAIRS)
def test_a_port_is_equal(pair: str):
    found, said = compared(pair, source=("graph", "standin")[PAIRS.index(pair) % 2])
    assert found.passed, said


@pytest.mark.parametrize("change", plans("REWRITES"), ids=lambda change: change.name)
def test_a_correct_rewrite_is_equal(change: Planted):
    found, said = compared(change.case, [change], change.source)
    assert found.passed, said


@pytest.mark.parametrize("new", SAMPLE)
def test_a_fault_is_caught_and_told_where_it_is(new: str):
    (fault,) = [one for one in plans("FAULTS") if new in one.new]
    found = answer(fault)
    assert found.caught and found.at and found.told, found.said
