"""The f0 predictor in NumPy, from a bundle: its dumps are judged as equal, and with a fault as wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.writers.judging import assert_equal, assert_fault_is_seen, assert_records_are_judged
from tests.writers.languages import HERE
from writers.parity_dump import Dump, read
from writers.parity_reduced import record

PROGRAM = (sys.executable, HERE / "programs" / "f0_predictor" / "main.py")


def test_the_dumps_are_equal(given: Path, tmp_path: Path):
    assert_equal(PROGRAM, given, tmp_path)


def test_a_fault_is_seen_at_its_tap(given: Path, tmp_path: Path):
    assert_fault_is_seen(PROGRAM, given, tmp_path)


def test_records_in_place_of_dumps_are_judged(given: Path, tmp_path: Path):
    def write(dtype: str, file: Path, folder: Path, tap: str) -> None:
        Dump(folder).put(tap, ".json", record(read(file, dtype), leading=1))

    assert_records_are_judged(write, given, tmp_path)
