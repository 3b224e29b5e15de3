"""A result whose every text was made to harm: the page shows it as text, and asks and runs nothing for it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from parity.base.jsonfile import nan_to_none
from parity.cli import main

PAYLOAD = (
    "x\"'><img src=x onerror=alert(1)></title></svg></template></script><script>alert(2)</script>`|$\\frac{$\x1b[2J"
)
KEPT = {"mode", "word", "map", "reference", "candidate", "when", "mathematics", "own", "source", "precision", "key"}
"""Texts of a result that are one of few words, or are numbers: another is refused, or is no text to show."""


def harmed(value: Any, name: str = "") -> Any:
    """A result with the payload behind each text, and behind the names that a run gives its tables."""
    if isinstance(value, dict):
        named = name in ("environment", "seconds", "not_judged", "subject")
        return {f"{key}{PAYLOAD}" if named else key: harmed(entry, key) for key, entry in value.items()}
    if isinstance(value, list):
        return [harmed(entry, name) for entry in value]
    return f"{value}{PAYLOAD}" if isinstance(value, str) and name not in KEPT else value


class Page(HTMLParser):
    """The tags of a page, how many scripts it has, and the names of all attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture(scope="module")
def pages(verify_toy, tmp_path_factory) -> dict[str, Path]:
    """The folders of the pages of a result that failed, as it is and harmed."""
    result = json.loads(json.dumps(nan_to_none(verify_toy("gain").as_dict())))
    result["pictures"] = result["pictures"][:1]  # the others take seconds to draw
    folder = tmp_path_factory.mktemp("pages")
    for name, content in (("plain", result), ("harmed", harmed(result))):
        (folder / f"{name}.json").write_text(json.dumps(content))
        assert main(["report", str(folder / f"{name}.json"), "--out", str(folder / name), "--quiet"]) == 1
    return {name: folder / name for name in ("plain", "harmed")}


def test_every_text_of_a_result_is_shown_as_text(pages) -> None:
    texts = {name: (page / "index.html").read_text() for name, page in pages.items()}
    assert texts["harmed"].count("alert(1)") > 50
    plain, page = Page(texts["plain"]), Page(texts["harmed"])
    assert page.tags.get("img", 0) == plain.tags.get("img", 0)
    assert page.tags["script"] == plain.tags["script"]
    assert page.attributes == plain.attributes
    assert {"onerror", "onclick", "onload"}.isdisjoint(page.attributes)


def test_the_text_files_of_a_report_are_whole(pages) -> None:
    ElementTree.parse(pages["harmed"] / "junit.xml")
    summary = (pages["harmed"] / "summary.md").read_text()
    assert "alert(1)" in summary and "<img" not in summary and "<script" not in summary


def test_a_page_that_does_not_escape_is_seen() -> None:
    page = Page(f"<p>{PAYLOAD}</p>")
    assert page.tags["img"] == 1 and "onerror" in page.attributes and page.tags["script"] == 1
