"""Every fault of the ten pairs: `pytest tests/exact/pairs/battery.py`.

It takes ten minutes of two cores, so `tox` runs a sample of it alone (`tests/exact/test_pairs.py`).
"""

from __future__ import annotations

import pytest

from tests.exact.pairs.find import answer
from tests.exact.pairs.planting import Planted
from tests.exact.test_pairs import plans


@pytest.mark.parametrize("fault", plans("FAULTS"), ids=lambda fault: fault.name)
def test_a_fault_is_caught_and_told_where_it_is(fault: Planted):
    found = answer(fault)
    assert found.caught and found.at and found.told, found.said
