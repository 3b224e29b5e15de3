"""Every pair of `ports/`, judged through `parity.compare`, against what docs/ports.md says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import parity
from ports import page, pairs
from ports.pair import EXPECTED, judge
from ports.row import row

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "ports.md").read_text()
SECTIONS = "\n".join(page.read_text() for page in sorted((DOCS / "ports").glob("*.md")))
NAMES = [pair.name for pair in pairs.every()]


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_is_as_the_page_says(name):
    found = row(judge(pairs.named(name)))
    assert found.verdict in EXPECTED, found.why
    assert f"| {' | '.join(page.cells(found))} |" in PAGE
    assert "\n".join(page.PORTS.section(found)) in SECTIONS
    if found.matches:
        assert found.matches[1] == 0
    if found.modules:
        assert found.arithmetic in ("equal", "rounding")


@pytest.mark.parametrize("name", ["gemma3_text", "llama", "mamba", "mixtral", "starcoder2"])
def test_the_stand_in_says_what_the_graph_says(name, tmp_path):
    pair = pairs.named(f"mlx-lm/{name}")
    sides = pair.make(tmp_path)
    found = parity.compare(sides.reference, sides.candidate, sides.inputs, source="standin", exact=True)
    assert found.proof.proven == (not pair.departures)
    assert len(found.departures) == len(pair.departures)


def test_the_page_has_the_pairs_that_are_here():
    rows = re.findall(
        r"^\| \[?(\S.*?)(?:\]\(.*?#.*?\))? \| .* \| (?:equal|departs|cannot run) \|", PAGE, flags=re.MULTILINE
    )
    assert rows == NAMES
