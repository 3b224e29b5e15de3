"""The forms of .github/ISSUE_TEMPLATE: right by GitHub's rules, and what they ask for can be made by the commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from parity.cli.command_line import parser
from tests.docs.markdown import ROOT

FOLDER = ROOT / ".github" / "ISSUE_TEMPLATE"
FORMS = [file for file in sorted(FOLDER.glob("*.yml")) if file.name != "config.yml"]
KEYS = {"name", "description", "title", "labels", "body"}
TYPES = {
    "markdown": {"value"},
    "input": {"label", "description", "placeholder", "value"},
    "textarea": {"label", "description", "placeholder", "value", "render"},
    "dropdown": {"label", "description", "options", "multiple", "default"},
    "checkboxes": {"label", "description", "options"},
}


def wrong(form: dict[str, Any]) -> list[str]:
    """What GitHub would refuse of a form: it then shows none at all."""
    found = [f"no {key}" for key in ("name", "description", "body") if not form.get(key)]
    found += [f"unknown {key}" for key in form.keys() - KEYS]
    ids = [item["id"] for item in form["body"] if "id" in item]
    labels = [item["attributes"].get("label") for item in form["body"]]
    found += [f"twice: {each}" for each in {*ids, *labels} if (ids + labels).count(each) > 1]
    for item in form["body"]:
        kind, attributes = item["type"], item["attributes"]
        found += [f"{kind} has no {key}" for key in attributes.keys() - TYPES.get(kind, set())]
        needs = {"markdown": "value", "dropdown": "options", "checkboxes": "options"}.get(kind, "label")
        found += [f"{kind} lacks {needs}"] * (needs not in attributes)
    return found + ["nothing to fill in"] * all(item["type"] == "markdown" for item in form["body"])


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_a_form_is_right(file: Path):
    assert wrong(yaml.safe_load(file.read_text())) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("description: A right", "text: A right"),
        ("type: dropdown", "type: menu"),
        ("id: said", "id: repro"),
        ("      label: The machine\n", ""),
        ("      render: text", "      language: text"),
    ],
)
def test_a_wrong_form_is_seen(old, new):
    text = (FOLDER / "verdict.yml").read_text()
    assert old in text
    assert wrong(yaml.safe_load(text.replace(old, new)))


def commands(text: str) -> list[str]:
    """The commands of parity in a text's code."""
    return re.findall(r"`parity ([^`]+)`", " ".join(text.split()))


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_it_asks_for_what_the_command_writes(file: Path):
    lines = commands(file.read_text())
    assert any(line.startswith("repro ") and line.endswith("-o repro.zip") for line in lines)
    for line in lines:
        if " " in line or line == "doctor":
            parser().parse_args(shlex.split(line))


def test_a_file_that_does_harm_is_not_asked_for_in_public():
    assert "SECURITY.md" in (FOLDER / "error.yml").read_text()
    assert yaml.safe_load((FOLDER / "config.yml").read_text()) == {"blank_issues_enabled": False}
