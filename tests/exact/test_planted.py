"""Faults planted in the port's source are found at their own operation, several at once as well.

A sample of the battery, one of each kind; `tests/exact/planted/battery.py` has all of it.
"""

from __future__ import annotations

import pytest

from tests.exact.planted import FAULTS
from tests.exact.planted.find import matched, named
from tests.exact.planted.source import Fault

SAMPLE = [
    "square + 10 * eps",  # an epsilon
    "nn.gelu_approx(self.gate_proj(x))",  # an approximation
    "self.norm(x.astype(mx.float16)",  # a cast
    "scale=q.shape[-1] ** -0.5 * (1 + 1e-6), bias",  # a scale
    "positions[:, None] + 1",  # a mask
    "mx.var(x, axis=-1, keepdims=True)",  # a variance
    "weight[1 : tokens.shape[1] + 1]",  # positions
    "mx.concatenate([resampled, speaker, self",  # an order
    "return self.proj_out(",  # a missing residual
]


def fault(new: str) -> Fault:
    (found,) = [one for one in FAULTS if one.case == "tiny-t3" and new in one.new]
    return found


@pytest.mark.parametrize("new", SAMPLE)
def test_a_fault_is_found_at_its_own_operation(new: str):
    planted = fault(new)
    found = matched([planted])
    assert found.departures
    assert named(planted, found.departures)
    assert found.proven


@pytest.mark.parametrize("news", [SAMPLE[:2], SAMPLE[3:6], [SAMPLE[0], SAMPLE[4], SAMPLE[6], SAMPLE[8]]])
def test_several_faults_at_once_are_all_found(news: list[str]):
    planted = [fault(new) for new in news]
    found = matched(planted)
    assert [one.name for one in planted if not named(one, found.departures)] == []
    assert found.proven
