"""docs/contract.md names every key of a contract, and every key of its tables."""

from __future__ import annotations

import re

import pytest

from parity.contract import reading
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "contract.md").read_text()
TABLES = reading.TABLES | reading.NAMED


def rows(page: str) -> dict[str, set[str]]:
    """The keys that each row of the section names, by the first."""
    section = page.partition("# What a contract can say")[2].partition("\n## ")[0]
    named = [re.findall(r"`(\w+)`", line) for line in section.splitlines() if line.startswith("| `")]
    return {key: set(keys) for keys in named for key in keys[: 1 + (keys[0] == "cases")]}


def test_every_key_is_named():
    assert set(rows(PAGE)) == set(reading.TOP)


@pytest.mark.parametrize("name", TABLES)
def test_every_key_of_a_table_is_named(name):
    assert set(TABLES[name].split()) - rows(PAGE)[name] == set()


def test_a_key_that_is_not_named_is_seen():
    page = (
        "| `none` |\n## What a contract can say\n| `one` | `a`, `b` |\n| `cases`, `two` | text |\n## Next\n| `four` |"
    )
    assert rows(page) == {"one": {"one", "a", "b"}, "cases": {"cases", "two"}, "two": {"cases", "two"}}
