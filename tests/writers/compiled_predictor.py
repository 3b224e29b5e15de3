"""The f0 predictor in C++, Rust and Swift, judged as the one in NumPy is: `tox -e writers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.writers.judging import assert_equal, assert_fault_is_seen
from tests.writers.languages import LANGUAGES


@pytest.fixture(scope="module", params=LANGUAGES)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path]:
    """The language's predictor."""
    return (LANGUAGES[request.param].program("f0_predictor", tmp_path_factory.mktemp(request.param)),)


def test_the_dumps_are_equal(program: tuple[Path], given: Path, tmp_path: Path):
    assert_equal(program, given, tmp_path)


def test_a_fault_is_seen_at_its_tap(program: tuple[Path], given: Path, tmp_path: Path):
    assert_fault_is_seen(program, given, tmp_path)
