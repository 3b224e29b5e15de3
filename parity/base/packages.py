"""Where modules lie, by their dotted names."""

from __future__ import annotations

import re
from importlib.util import find_spec

IMPORT = re.compile(rb"^\s*(?:from|import)\s+(mlx|torch)\b", re.MULTILINE)
"""The frameworks that a file imports, anywhere in it."""


def package_of(module: str) -> str:
    """The package that a module is, or is in; the module itself where it is in none."""
    spec = find_spec(module)
    inside = spec is None or spec.submodule_search_locations is None
    return module.rpartition(".")[0] or module if inside else module


def frameworks(source: bytes) -> set[str]:
    """The frameworks that a source imports: `mlx`, `torch`."""
    return {found.decode() for found in IMPORT.findall(source)}
