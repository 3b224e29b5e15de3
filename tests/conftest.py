"""What tests of several folders share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import cases


@pytest.fixture(scope="session", autouse=True)
def as_of_a_shell() -> Iterator[None]:
    """A worker of pytest-xdist has an environment of its own. Tests and the programs that they start do without it.

    The width of the terminal would break the lines of tables, and pytest-benchmark refuses to work in a worker.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "LINES", *(name for name in os.environ if name.startswith("PYTEST_XDIST_"))):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    """A synthetic checkpoint directory of the tiny size; read it, never write into it."""
    return cases.synthetic_checkpoint(cases.load("tiny-flow"))
