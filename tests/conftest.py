"""What tests of several folders share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import cases


@pytest.fixture(scope="session", autouse=True)
def no_terminal() -> Iterator[None]:
    """What the tests print has the width of a log: pytest-xdist sets that of its terminal for each of its processes."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "LINES"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    """A synthetic checkpoint directory of the tiny size; read it, never write into it."""
    return cases.synthetic_checkpoint(cases.load("tiny-flow"))
