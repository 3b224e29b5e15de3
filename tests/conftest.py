"""What tests of several folders share."""

from pathlib import Path

import pytest

from fixtures import cases


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    """A synthetic checkpoint directory of the tiny size; read it, never write into it."""
    return cases.synthetic_checkpoint(cases.load("tiny-flow"))
