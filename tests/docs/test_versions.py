"""What may be relied on has a number: schemas, on the page and in the files, and the package, in the changelog."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from parity.show import history
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "report.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def numbers() -> dict[str, int]:
    """The number that each schema asks of a file, by the schema's name."""
    found = {}
    for file in sorted((ROOT / "docs" / "schemas").glob("*.json")):
        properties: dict[str, Any] = json.loads(file.read_text())["properties"]
        for key in properties:
            if key.endswith("schema"):
                found[file.stem] = properties[key]["const"]
    return found


def test_the_page_has_the_number_of_every_schema():
    table = PAGE[PAGE.index("| schema | number |") :].partition("\n\n")[0].splitlines()[2:]
    assert table == [f"| {name} | {number} |" for name, number in numbers().items()]
    assert f"`user_version` {history.SCHEMA}" in PAGE


def odd(changelog: str) -> list[str]:
    """Headings of a changelog that are not of its form."""
    version = r"## \[(Unreleased\]$|\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$)"
    wrong = [line for line in re.findall(r"^## .*$", changelog, re.M) if not re.match(version, line)]
    return wrong + [line for line in re.findall(r"^### (.*)$", changelog, re.M) if line not in KINDS]


def test_the_changelog_has_the_usual_form():
    assert odd(CHANGELOG) == []
    assert re.findall(r"^## \[(.*?)\]", CHANGELOG, re.M)[0] == "Unreleased"


@pytest.mark.parametrize(("old", "new"), [("### Security", "### Safety"), ("## [Unreleased]", "## 0.1.0 (unreleased)")])
def test_a_heading_of_another_form_is_seen(old, new):
    assert len(odd(CHANGELOG.replace(old, new))) == 1


def test_the_package_is_not_older_than_its_newest_release():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(r"^## \[(\d.*?)\]", CHANGELOG, re.M)
    assert not released or tuple(map(int, version.split("."))) >= tuple(map(int, released[0].split(".")))
