"""A module of a port with some of its lines corrected: the port itself stays as it is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from parity.base.errors import InputError


def corrected(name: str, lines: Mapping[str, str], part: str = "") -> ModuleType:
    """The module of this name, made anew from its source with each text replaced by another.

    With `part`, a module that this one imports from, the texts are those of `part`. Raises `InputError` for a text
    that the source does not hold.
    """
    if part:
        with _imported(part, corrected(part, lines)):
            return corrected(name, {})
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).read_text()
    for old, new in lines.items():
        if old not in source:
            raise InputError(f"{name} has no {old!r}: is the version the one that the correction is for?")
        source = source.replace(old, new)
    module = ModuleType(name)
    module.__dict__.update(__file__=spec.origin, __package__=spec.parent, __spec__=spec)
    with _imported(name, module):
        exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


@contextmanager
def _imported(name: str, module: ModuleType) -> Iterator[None]:
    """Imports of this name give this module."""
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
