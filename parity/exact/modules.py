"""Modules taken out of what is imported, so that they are imported anew, and put back."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

Kept = dict[str, tuple[ModuleType, ModuleType | None, Any]]


def take_out(names: set[str]) -> Kept:
    """Remove modules, and their names in the packages that hold them. What was there comes back."""
    kept: Kept = {}
    for name in names:
        package, _, own = name.rpartition(".")
        parent = sys.modules.get(package)
        value = vars(parent).get(own) if parent is not None else None
        kept[name] = sys.modules[name], parent, value
    for name, (_, parent, value) in kept.items():
        del sys.modules[name]
        if parent is not None and value is not None:
            vars(parent).pop(name.rpartition(".")[2], None)
    return kept


def put_back(kept: Kept) -> None:
    """What `take_out` removed, as it was."""
    for name, (module, parent, value) in kept.items():
        sys.modules[name] = module
        if parent is not None:
            hold(parent, name.rpartition(".")[2], value)


def hold(package: ModuleType, name: str, value: Any) -> None:
    """Have a package hold a value under a name; None for nothing."""
    if value is None:
        vars(package).pop(name, None)
    else:
        setattr(package, name, value)
