"""Every pair of `ports/`, judged through `parity.compare`."""

from __future__ import annotations

import pytest

from ports import pairs
from ports.__main__ import EXPECTED
from ports.pair import judge


@pytest.mark.parametrize("name", [pair.name for pair in pairs.every()])
def test_a_pair_is_as_it_is_said_to_be(name):
    judged = judge(pairs.named(name))
    assert judged.word in EXPECTED, f"{judged.error} {judged.unknown}\n{judged.comparison}"
    if judged.comparison is None:
        return
    assert judged.arithmetic in ("equal", "rounding")
    matched, all_modules = judged.comparison.modules
    assert matched >= 0.9 * all_modules, judged.comparison.matching.unmatched_taps
