"""Every fault of the battery, and twenty sets of two to five at once: `pytest tests/exact/planted/battery.py`.

It takes half an hour of two cores, so `tox` runs a sample of it alone (`tests/exact/test_planted.py`).
"""

from __future__ import annotations

import random

import pytest

from tests.exact.planted import FAULTS
from tests.exact.planted.find import matched, named
from tests.exact.planted.source import Fault

SHOWN = [fault for fault in FAULTS if not fault.hidden]
CASES = sorted({fault.case for fault in SHOWN})

HIDING = {"self.attn1(self.norm1(x), None)": "bias = attention_bias(None if mask is None else mask[::-1])"}
"""What some faults write, and what others write of which those leave nothing to be seen: nobody takes the bias."""


def together(seed: int) -> list[Fault]:
    """Two to five faults of one case, of different lines, all of which are to be seen."""
    rng = random.Random(seed)
    pool = [fault for fault in SHOWN if fault.case == CASES[seed % len(CASES)]]
    found: list[Fault] = []
    for fault in rng.sample(pool, len(pool)):
        apart = all((one.module, one.line) != (fault.module, fault.line) and not hides(one, fault) for one in found)
        if len(found) < 2 + seed % 4 and apart:
            found.append(fault)
    return found


def hides(one: Fault, other: Fault) -> bool:
    """One of the two leaves nothing of the other to be seen."""
    return HIDING.get(one.new) == other.new or HIDING.get(other.new) == one.new


@pytest.mark.parametrize("fault", SHOWN, ids=lambda fault: fault.name)
def test_a_fault_is_found_at_its_own_operation(fault: Fault):
    found = matched([fault])
    assert found.departures
    assert named(fault, found.departures)
    assert found.proven


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.hidden], ids=lambda fault: fault.name)
def test_what_no_value_shows_is_equal(fault: Fault):
    assert matched([fault]).equal, fault.hidden


@pytest.mark.parametrize("seed", range(20))
def test_several_at_once_are_all_found(seed: int):
    faults = together(seed)
    found = matched(faults)
    assert [fault.name for fault in faults if not named(fault, found.departures)] == []
    assert found.proven
