"""Faults are planted where they say, in what is imported inside, and nowhere else."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.exact.planted import FAULTS
from tests.exact.planted.rewrites import IDIOMS, PLAIN_MLX, REWRITES
from tests.exact.planted.source import Fault, line_of, planted

MODULE = "tests.exact.planted.sample"


@pytest.mark.parametrize("fault", [*FAULTS, *REWRITES], ids=lambda fault: fault.name)
def test_a_fault_stands_once_in_the_source(fault: Fault):
    source = fault.file.read_text()
    assert line_of(source, fault.old)
    assert fault.line
    compile(source.replace(fault.old, fault.new), str(fault.file), "exec")


def test_there_are_a_hundred_faults_and_all_differ():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 100
    assert len(IDIOMS) >= 20
    assert len(PLAIN_MLX) == 4


def sample() -> int:
    sys.modules.pop(MODULE, None)
    return importlib.import_module(MODULE).value()


def test_a_fault_is_there_inside_and_gone_outside():
    fault = Fault(MODULE, "one = 1", "one = 7", "")
    assert sample() == 3
    with planted([fault]):
        assert sample() == 9
    assert sample() == 3


def test_several_faults_of_one_module():
    with planted([Fault(MODULE, "one = 1", "one = 7", ""), Fault(MODULE, "two = 2", "two = 20", "")]):
        assert sample() == 27


@pytest.mark.parametrize("old", ["absent", "return"])
def test_text_that_does_not_stand_there_once_is_refused(old):
    with planted([Fault(MODULE, old, "", "")]), pytest.raises(ValueError, match="times in the source"):
        sample()
