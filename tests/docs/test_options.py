"""docs/commands.md has every command, with its options as the parser has them."""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import ROOT
from tests.docs.options import commands, table

PAGE = (ROOT / "docs" / "commands.md").read_text()
COMMANDS = commands()


def shown(page: str) -> dict[str, str]:
    """The table below each `<!-- options: NAME -->` of a page."""
    return {name: rows.rstrip("\n") for name, rows in re.findall(r"<!-- options: (\w+) -->\n((?:\|.*\n)*)", page)}


def test_every_command_is_on_the_page_and_in_its_overview():
    assert set(shown(PAGE)) == set(COMMANDS)
    assert set(re.findall(r"\(#parity-(\w+)\)", PAGE)) >= set(COMMANDS)
    assert re.findall(r"^## parity (\w+)$", PAGE, flags=re.MULTILINE) == list(shown(PAGE))


def test_what_every_command_takes_stands_once():
    for command in COMMANDS.values():
        assert table(command, common=True) in PAGE
    assert PAGE.count("| `--debug` |") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_are_those_of_the_parser(name):
    expected = table(COMMANDS[name])
    assert shown(PAGE)[name] == expected, f"put this below <!-- options: {name} --> in docs/commands.md:\n{expected}"


def test_an_option_that_is_missing_or_says_another_thing_is_seen():
    verify = commands()["verify"]
    page = f"<!-- options: verify -->\n{table(verify)}\n\ntext\n"
    assert shown(page)["verify"] == table(verify)
    assert shown(page.replace("checkpoint directory", "folder"))["verify"] != table(verify)
    verify.add_argument("--another", help="another option")
    assert shown(page)["verify"] != table(verify)
