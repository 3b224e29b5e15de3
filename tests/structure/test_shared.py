"""What both sides import of `spec/` cannot differ between them: `docs/concepts.md` lists it, and nothing else."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADING = "## What both sides share"


def imported(side: Path) -> set[str]:
    """What the files of a side import of `spec`, by dotted names without it: `config.time_grid`."""
    found: set[str] = set()
    for file in side.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(), str(file))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "spec":
                below = (node.module or "").removeprefix("spec").lstrip(".")
                found |= {f"{below}.{alias.name}".lstrip(".") for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {alias.name.removeprefix("spec.") for alias in node.names if alias.name.startswith("spec.")}
    return found


def listed(page: str) -> list[str]:
    """The patterns of dotted names in the first column of the table under the heading."""
    section = page.partition(HEADING)[2].partition("\n## ")[0]
    rows = re.findall(r"^\|([^|]*`[^|]*)\|", section, flags=re.MULTILINE)
    return [pattern for row in rows for pattern in re.findall(r"`([^`]+)`", row)]


def disagreements(shared: set[str], patterns: list[str]) -> tuple[set[str], list[str]]:
    """What is shared and in no row, and what rows name that is not shared."""
    missing = {name for name in shared if not any(fnmatchcase(name, pattern) for pattern in patterns)}
    return missing, [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in shared)]


def test_the_page_lists_what_both_sides_share_and_nothing_else():
    shared = imported(ROOT / "reference") & imported(ROOT / "mlx_impl")
    assert disagreements(shared, listed((ROOT / "docs/concepts.md").read_text())) == (set(), [])


def test_what_is_listed_too_much_or_too_little_is_seen(tmp_path):
    (tmp_path / "a.py").write_text("import spec.draws\nfrom spec import window\nfrom spec.config import a, check_b\n")
    shared = imported(tmp_path)
    assert shared == {"draws", "window", "config.a", "config.check_b"}
    rows = "| name | what |\n|---|---|\n| `draws`, `window` | all |\n| `config.*` | `y` |\n"
    page = f"| `x` | before |\n{HEADING}\n{rows}## After\n| `z` |\n"
    assert listed(page) == ["draws", "window", "config.*"]
    assert disagreements(shared, listed(page)) == (set(), [])
    assert disagreements(shared, ["draws", "config.*", "audio"]) == ({"window"}, ["audio"])


@pytest.mark.parametrize("name", ["config.time_grid", "window.hann_window", "audio.trim"])
def test_a_port_s_own_is_not_shared(name):
    assert name not in imported(ROOT / "mlx_impl")
