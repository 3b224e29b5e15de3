"""Modules of a port with some of their lines corrected: the port itself stays as it is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

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
    source = replaced(name, Path(spec.origin).read_text(encoding="utf-8"), lines)
    module = ModuleType(name)
    module.__dict__.update(__file__=spec.origin, __package__=spec.parent, __spec__=spec)
    with _imported(name, module):
        exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


def replaced(name: str, source: str, lines: Mapping[str, str]) -> str:
    """The source of a module with each text replaced. Raises `InputError` for a text that it does not hold."""
    for old, new in lines.items():
        if old not in source:
            raise InputError(f"{name} has no {old!r}: is the version the one that the correction is for?")
        source = source.replace(old, new)
    return source


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


@dataclass(frozen=True)
class Correction:
    """A text of a module's source and what stands in its place."""

    module: str
    old: str
    new: str

    @property
    def difference(self) -> str:
        """The file and line of the text, and what takes its place, as `diff` writes it.

        Raises `InputError` where the module does not hold the text.
        """
        spec = importlib.util.find_spec(self.module)
        assert spec is not None and spec.origin is not None
        source = Path(spec.origin).read_text(encoding="utf-8")
        replaced(self.module, source, {self.old: self.new})
        line = source[: source.index(self.old.strip("\n"))].count("\n") + 1
        texts = ("-", self.old), ("+", self.new)
        changed = [f"{sign}{text}" for sign, whole in texts for text in whole.strip("\n").splitlines()]
        return "\n".join([f"{self.module.replace('.', '/')}.py:{line}", *changed])


@contextmanager
def corrections(given: Sequence[Correction], user: str = "") -> Iterator[None]:
    """Inside, the packages of these modules are imported anew, with all of the corrections; afterwards as before.

    So is `user`, a module that imports them.
    """
    texts: dict[str, dict[str, str]] = {}
    for one in given:
        texts.setdefault(one.module, {})[one.old] = one.new
    packages = {name.partition(".")[0] for name in texts}

    def taken_out() -> dict[str, ModuleType]:
        names = [name for name in sys.modules if texts and (name == user or name.partition(".")[0] in packages)]
        return {name: sys.modules.pop(name) for name in names}

    before, finder = taken_out(), _Corrected(texts)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        taken_out()
        sys.modules.update(before)


class _Corrected(MetaPathFinder):
    """Finds the modules that have corrections, and loads them from the corrected source."""

    def __init__(self, texts: Mapping[str, Mapping[str, str]]):
        self.texts = texts

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in self.texts else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin, self.texts[name])
        return spec


class _Loader(SourceFileLoader):
    """Loads a module from its source with texts replaced, and keeps no byte code of it."""

    def __init__(self, name: str, path: str, texts: Mapping[str, str]):
        super().__init__(name, path)
        self.texts = texts

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        return compile(replaced(fullname, source, self.texts), self.path, "exec", dont_inherit=True)
