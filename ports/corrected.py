"""A module of a port with some of its lines corrected: the port itself stays as it is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from parity.base.errors import InputError


def corrected(name: str, lines: Mapping[str, str], part: str = "") -> ModuleType:
    """The module of this name, made anew from its source with each text replaced by another.

    With `part`, a module that this one imports from, the texts are those of `part`. Raises `InputError` for a text
    that the source does not hold.
    """
    if part:
        with patch.dict(sys.modules, {part: corrected(part, lines)}):
            return corrected(name, {})
    original = importlib.import_module(name)
    assert original.__file__ is not None
    file = Path(original.__file__)
    source = file.read_text()
    for old, new in lines.items():
        if old not in source:
            raise InputError(f"{name} has no {old!r}: is the version the one that the correction is for?")
        source = source.replace(old, new)
    module = ModuleType(name)
    module.__dict__.update(__file__=str(file), __package__=original.__package__, __spec__=original.__spec__)
    exec(compile(source, str(file), "exec"), module.__dict__)
    return module
