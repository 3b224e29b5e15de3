"""The f0 predictor in NumPy, from a bundle: its dumps are judged as equal, and with a fault as wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.writers.judging import assert_equal, assert_fault_is_seen
from tests.writers.languages import HERE

PROGRAM = (sys.executable, HERE / "programs" / "f0_predictor" / "main.py")


def test_the_dumps_are_equal(given: Path, tmp_path: Path):
    assert_equal(PROGRAM, given, tmp_path)


def test_a_fault_is_seen_at_its_tap(given: Path, tmp_path: Path):
    assert_fault_is_seen(PROGRAM, given, tmp_path)
