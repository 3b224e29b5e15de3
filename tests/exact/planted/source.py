"""Faults as changes of source text: inside, a module is imported with some of its text replaced."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Fault:
    """`old` stands once in the source of `module`, on one line; a fault is `new` in its place.

    `case` shows it. `at` is text on the line of the operation that goes wrong, where that is another line than the
    changed one: a table's fault shows where the table is used. `hidden` says why no value of the case moves by more
    than its bound; such a fault is listed and need not be found.
    """

    module: str
    old: str
    new: str
    case: str
    at: str = ""
    hidden: str = ""

    @property
    def name(self) -> str:
        return f"{self.module.removeprefix('mlx_impl.')}: {self.old.strip()} -> {self.new.strip()}"

    @property
    def file(self) -> Path:
        path = ROOT.joinpath(*self.module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    @property
    def line(self) -> int:
        """The line of the operation that goes wrong, counted from 1."""
        return line_of(self.file.read_text(), self.at or self.old)


def faults(module: str, case: str, *changes: tuple[str, ...]) -> list[Fault]:
    """The faults of a module that a case shows; each is (`old`, `new`, `at`, `hidden`), the last two if needed."""
    return [Fault(module, old, new, case, *rest) for old, new, *rest in changes]


def line_of(source: str, text: str) -> int:
    """The line that `text` stands on. Raises `ValueError` unless it stands there once."""
    count = source.count(text)
    if count != 1 or "\n" in text:
        raise ValueError(f"{text!r} stands {count} times in the source, expected once, on one line")
    return source[: source.index(text)].count("\n") + 1


@contextmanager
def planted(faults: Sequence[Fault]) -> Iterator[None]:
    """Modules that are imported inside have these faults. Lines keep their numbers."""
    finder = _Finder(faults)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    def __init__(self, faults: Sequence[Fault]):
        self.faults = faults

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        faults = [fault for fault in self.faults if fault.module == name]
        spec = importlib.machinery.PathFinder.find_spec(name, path) if faults else None
        if spec is None or spec.origin is None:
            return None
        loader = _Loader(name, spec.origin, faults)
        return importlib.util.spec_from_file_location(
            name, spec.origin, loader=loader, submodule_search_locations=spec.submodule_search_locations
        )


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, faults: Sequence[Fault]):
        super().__init__(name, path)
        self.faults = faults

    def get_code(self, fullname: str) -> CodeType:  # neither read from nor kept in the cache of compiled modules
        source = Path(self.path).read_text()
        for fault in self.faults:
            line_of(source, fault.old)
            source = source.replace(fault.old, fault.new)
        return compile(source, self.path, "exec", dont_inherit=True)
