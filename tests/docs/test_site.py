"""The site without a browser: every page is in its navigation, links lead to what is on it, tables are up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import parity
from manual import llms, outside, stages
from tests.docs.markdown import ROOT


class Loader(yaml.SafeLoader):
    """Reads `mkdocs.yml`, which may name what MkDocs alone knows."""


Loader.add_multi_constructor("", lambda loader, suffix, node: None)
CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)
DOCS = ROOT / "docs"
PAGES = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} | set(outside.PAGES.values())


def listed(entry: object) -> list[str]:
    """Every page that a part of the navigation leads to."""
    if isinstance(entry, str):
        return [entry]
    return [page for each in (entry.values() if isinstance(entry, dict) else entry) for page in listed(each)]


NAVIGATION = listed(CONFIG["nav"])


def test_every_page_is_in_the_navigation_once():
    assert sorted(NAVIGATION) == sorted(PAGES), "put each page of docs/ into the `nav` of mkdocs.yml"


def test_the_navigation_is_read_through():
    assert listed([{"a": "a.md"}, {"b": ["b.md", {"c": "c.md"}]}]) == ["a.md", "b.md", "c.md"]


@pytest.mark.parametrize("page", sorted(NAVIGATION))
def test_links_lead_to_what_is_on_the_site(page):
    text = (ROOT / outside.source(page)).read_text()
    for found in outside.LINK.finditer(outside.relinked(page, text)):
        if "://" not in found[1]:
            where = (DOCS / page).parent.joinpath(found[1]).resolve().relative_to(DOCS).as_posix()
            assert where in PAGES or where.startswith("files/") or (DOCS / where).is_file(), found[0]


def test_links_are_moved_with_their_page():
    assert outside.relinked("project/writers.md", "[a](../docs/dumps.md#b) [c](https://a.b/c.md)") == (
        "[a](../dumps.md#b) [c](https://a.b/c.md)"
    )
    assert outside.relinked("project/writers.md", "[a](parity_dump.hpp)") == "[a](../files/writers/parity_dump.hpp)"
    assert outside.relinked("own-model.md", "[a](../README.md)") == "[a](index.md)"
    with pytest.raises(ValueError, match=r"docs/own-model.md links to ../parity, which is no file"):
        outside.relinked("own-model.md", "[a](../parity)")


def test_a_link_that_is_called_after_its_file_gets_the_title_of_the_page():
    assert outside.titled("project/writers.md", "[dumps.md](../docs/dumps.md#b) [a](../docs/dumps.md)") == (
        "[A port in any language](../docs/dumps.md#b) [a](../docs/dumps.md)"
    )
    assert outside.titled("dumps.md", "[exact.md](exact.md), `exact.md`") == (
        "[The mathematics, proven in double](exact.md), `exact.md`"
    )


def test_the_page_of_the_interface_has_every_public_name_once():
    assert sorted(re.findall(r"^::: parity\.(\w+)$", (DOCS / "api.md").read_text(), re.M)) == sorted(parity.__all__)


def test_the_tables_of_stages_are_as_they_are_made():
    text = (DOCS / "stages.md").read_text()
    assert text == stages.written(text), "run python -m manual.stages"
    assert {name for _, name, _ in stages.MARKED.findall(text)} == set(stages.TABLES)
    assert stages.written(text.replace("| `t3` |", "| `t4` |")) == text


def test_llms_txt_has_every_question_and_leads_to_pages_of_the_site():
    text = llms.FILE.read_text()
    named = {outside.place(target) for target, _ in outside.LINK.findall(text)}
    assert named >= {page for page in PAGES if page.startswith(("questions/", "porting/"))}
    assert named <= PAGES
    urls = {page: f"at/{page}" for page in PAGES}
    assert "](at/questions/right.md)" in llms.for_site(urls)
    with pytest.raises(KeyError, match=r"porting/SKILL.md"):
        llms.for_site({page: url for page, url in urls.items() if page != "porting/SKILL.md"})


def test_the_commands_of_llms_txt_are_taken_by_the_parser():
    from parity.cli.command_line import parser

    commands = re.findall(r"`parity ([^`]+)`", llms.FILE.read_text())
    assert len(commands) >= 7
    for command in commands:
        parser().parse_args(command.split())


def test_the_skill_has_a_name_and_says_when_it_is_of_use():
    _, front, _ = (DOCS / "porting" / "SKILL.md").read_text().split("---\n", 2)
    assert set(yaml.safe_load(front)) == {"name", "description"}


def test_what_the_site_is_made_with_asks_the_network_for_nothing():
    assert CONFIG["strict"] is True
    assert CONFIG["theme"]["font"] is False
    assert not [link for key in ("extra_css", "extra_javascript") for link in CONFIG[key] if "//" in link]
    for file in (DOCS / "assets").iterdir():
        assert "//" not in re.sub(r"^\s*//.*$", "", Path(file).read_text(), flags=re.M)
