"""What an object of one's own source reaches, without anything being imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from parity.base import sources

SIDES = """\
import mlx.core as mx
import torch

import mine.port
from mine.weights import read
import theirs

LIMIT = 3


def case(name):
    return helper(name)


@decorated
class Reference:
    def run(self):
        return theirs.model(LIMIT)


class Candidate:
    def run(self):
        from mine import late
        return mine.port.run(read, LIMIT)


def helper(name):
    return name
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.delitem(sys.modules, "sides", raising=False)  # a page's example has the name too
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {
        "sides.py": SIDES,
        "theirs.py": "import never_there\n",
        "mine/__init__.py": "",
        "mine/port.py": "import numpy\nfrom . import layers\nfrom mlx import nn\n",
        "mine/layers.py": "raise RuntimeError('imported')\n",
        "mine/weights.py": "",
        "mine/late.py": "from site_made.layers import linear\n",
        "site-packages/site_made/__init__.py": "",
        "site-packages/site_made/layers.py": "import mlx.core\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    return tmp_path


def test_the_modules_of_ones_own_are_followed(folder):
    found = sources.modules("sides:Candidate")
    assert sorted(found) == ["mine", "mine.late", "mine.layers", "mine.port", "mine.weights", "sides"]
    assert found["mine.layers"] == (folder / "mine" / "layers.py").resolve()
    assert sorted(sources.modules("sides:Reference")) == ["sides", "theirs"]


def test_installed_modules_are_told_apart(folder):
    assert list(sources.installed("sides:Candidate")) == ["numpy", "site_made.layers"]
    assert sources.modules("site_made.layers:linear") == {}
    assert sources.modules("nobodys:thing") == {}


def test_lines_are_of_whoever_reaches_them(folder):
    others = sources.of_others("sides", folder / "sides.py", "sides:Candidate", ["sides:Reference", "sides:case"])
    text = SIDES.splitlines()
    assert {text[line - 1] for line in others if text[line - 1].startswith(("def", "class", "import", "@"))} == {
        "import theirs",
        "def case(name):",
        "@decorated",
        "class Reference:",
        "def helper(name):",
    }
    assert "LIMIT = 3" not in {text[line - 1] for line in others}
    assert sources.of_others("sides", folder / "sides.py", "mine.port:run", ["sides:case"]) == frozenset()
