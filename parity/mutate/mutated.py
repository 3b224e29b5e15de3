"""A module with another source than its file has."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from parity.exact.standin.install import using


class _Source(SourceFileLoader):
    """Compiles a given source in place of the file's; tracebacks name the file."""

    def __init__(self, name: str, path: str, source: str):
        super().__init__(name, path)
        self.source = source

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self.source, self.path, "exec", dont_inherit=True)
        return code


class _Finder(MetaPathFinder):
    def __init__(self, name: str, source: str):
        self.name, self.source = name, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Source(fullname, spec.origin, self.source)
        return spec


@contextmanager
def mutated(name: str, source: str) -> Iterator[None]:
    """Inside, the import of the module `name` runs `source`. What is there of its package already is imported anew.

    Nothing is put back afterwards but the way modules are found: it is for a process that ends.
    """
    package = name.partition(".")[0]
    own = {other for other in sys.modules if other == package or other.startswith(f"{package}.")}
    for user in using(sys.modules, own):
        del sys.modules[user]
    finder = _Finder(name, source)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
