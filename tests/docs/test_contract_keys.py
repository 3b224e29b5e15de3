"""docs/own-model.md names every key of a contract."""

from __future__ import annotations

import inspect
import re

from parity.contract import contract
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "own-model.md").read_text()


def keys(source: str) -> set[str]:
    """What `load` asks the file for."""
    return set(re.findall(r"\bdata(?:\.get\(|\[)\"(\w+)\"", source))


def unnamed(page: str, wanted: set[str]) -> set[str]:
    section = page.partition("## What a contract can say")[2].partition("\n## ")[0]
    return wanted - set(re.findall(r"`(\w+)`", section))


def test_every_key_is_named():
    wanted = keys(inspect.getsource(contract.load))
    assert {"cases", "segment", "rule", "target"} <= wanted
    assert unnamed(PAGE, wanted) == set()


def test_a_key_that_is_not_named_is_seen():
    assert keys('data["one"], data.get("two", ()), other["three"]') == {"one", "two"}
    assert unnamed("`two`\n## What a contract can say\n`one`\n## Next\n`two`", {"one", "two"}) == {"two"}
