"""`--shard i/n`: the i-th of n parts of the tests of this folder, for as many machines."""

from __future__ import annotations

import pytest

from ports import pairs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shard", default="1/1", metavar="i/n", help="run the i-th of n parts of these tests alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = pairs.shard(config.getoption("--shard"), items)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
