"""Every fault of the ten pairs: `tox -e planted`, and every night.

It takes a quarter of an hour of two cores, so `tox` runs a sample of it alone (`tests/exact/test_pairs.py`).
"""

from __future__ import annotations

import pytest

from tests.exact.pairs.find import answer
from tests.exact.pairs.planting import Planted
from tests.exact.test_pairs import plans

ELSEWHERE = {
    "return mx.stack(steps, axis=1), c, h": "what is returned is no operation; the two outputs are said to be swapped",
    'rows = [state[f"mixture.experts.{number}.{old}.weight"] for number in (0, 1, 3, 2, 4, 5)]': (
        "the reference holds its experts apart: each is found in the stack, and the order of a stack is nobody's value"
    ),
}
"""Faults that are caught and not named at their operation, by what they write, with the reason."""

CLEAR = 0.9
"""Share of the faults whose sentences hold what says how to mend them, at least."""


@pytest.fixture(scope="module")
def told() -> list[bool]:
    """Of the faults so far, whether the sentences hold what is asked for."""
    return []


@pytest.mark.parametrize("fault", plans("FAULTS"), ids=lambda fault: fault.name)
def test_a_fault_is_caught_at_its_operation(fault: Planted, told: list[bool]):
    found = answer(fault)
    told.append(found.told)
    assert found.caught, found.said
    assert found.at == (fault.new not in ELSEWHERE), found.said


def test_the_sentences_say_what_to_change(told: list[bool]):
    assert sum(told) >= CLEAR * len(told) > 0
