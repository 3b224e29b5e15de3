"""A program run in a process of its own, as where packages are not installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HIDING = """
import sys
from importlib.machinery import PathFinder
class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {hidden} else PathFinder.find_spec(name, path, target)
sys.meta_path = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]
"""


def run_without(packages: Iterable[str], program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """What a program says, in the checkout, where importing any of the packages fails as if it were not there."""
    source = HIDING.format(hidden=sorted(packages)) + program
    command = [sys.executable, "-c", source, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
