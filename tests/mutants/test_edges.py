"""What a new case shows, older ones of its stage do not: else it would be one more to run, and no more to know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parity.contract.implementation import Case
from tests.mutants.battery import BATTERY, Mutant, case, contract, verify
from tests.mutants.edges import HIDDEN
from tests.mutants.spoken import SPEAK

FAULTS = {fault.name: fault for fault in BATTERY if fault.name in HIDDEN}


def test_every_hidden_fault_is_in_the_battery():
    assert FAULTS.keys() == HIDDEN.keys()
    assert any(SPEAK in older for older in HIDDEN.values())
    assert all(HIDDEN.values())


def up_to(fault: Mutant, older: str) -> Case:
    """An older case, up to the last segment of the one that shows the fault: what follows is of other stages."""
    subject, last = case(older), case(fault.case).segments[-1]
    names = list(dict.fromkeys(each.name for each in contract().segments(subject.dims, subject.segments)))
    return replace(subject, segments=tuple(names[: names.index(last) + 1]))


@pytest.mark.parametrize(("name", "older"), [(name, older) for name in HIDDEN for older in HIDDEN[name]])
def test_an_older_case_does_not_show_the_fault(name: str, older: str):
    fault = FAULTS[name]
    report = verify(fault, up_to(fault, older))
    assert report.verdicts
    assert report.passed, report.diagnosis
