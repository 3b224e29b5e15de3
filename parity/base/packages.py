"""Where modules lie, by their dotted names."""

from __future__ import annotations

from importlib.util import find_spec


def package_of(module: str) -> str:
    """The package that a module is, or is in; the module itself where it is in none."""
    spec = find_spec(module)
    inside = spec is None or spec.submodule_search_locations is None
    return module.rpartition(".")[0] or module if inside else module
