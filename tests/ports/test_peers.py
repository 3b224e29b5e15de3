"""Every stage of the ports of Chatterbox itself, judged at full size, against what docs/peers.md says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ports import page, pairs
from ports.pair import EXPECTED, judge
from ports.row import row

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "peers.md").read_text()
SECTIONS = "\n".join(page.read_text() for page in sorted((DOCS / "peers").glob("*.md")))
NAMES = [pair.name for pair in pairs.every(peers=True)]


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_is_as_the_page_says(name):
    found = row(judge(pairs.named(name, peers=True)))
    assert found.verdict in EXPECTED, found.why
    assert f"| {' | '.join(page.cells(found, 'peers'))} |" in PAGE
    assert "\n".join(page.PEERS.section(found)) in SECTIONS
    if found.modules:
        assert found.arithmetic in ("equal", "rounding")


def test_the_page_has_the_stages_that_are_here():
    words = "|".join(EXPECTED)
    rows = re.findall(rf"^\| \[?(\S.*?)(?:\]\(.*?#.*?\))? \| .* \| (?:{words}) \|", PAGE, flags=re.MULTILINE)
    assert rows == NAMES
