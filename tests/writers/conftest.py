"""What the programs of all languages are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.writers.judging import make_given


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `bundle` and `weights`; read it, never write into it."""
    return make_given(tmp_path_factory.mktemp("given"))
