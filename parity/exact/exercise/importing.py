"""The import of a candidate's modules from their watched sources."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

from parity.base.exercise import Exercise, Site
from parity.base.packages import frameworks, package_of
from parity.base.sources import of_others
from parity.exact.exercise.compiled import compiled
from parity.exact.exercise.instrument import WATCH
from parity.exact.exercise.watch import Switch, Watch
from parity.exact.modules import put_back, take_out

OTHERS = ("mlx", "torch", "parity")
"""Packages whose source is not watched: frameworks, and the engine."""


class Exercised:
    """What is watched of a candidate, and what has been seen of it.

    That is the package of its factory, without files of the other framework alone, and every module that imports MLX,
    where MLX is its framework. Of the factory's own module that is nothing which the `others` of its contract reach
    alone.
    """

    def __init__(self, factory: str, framework: str, others: Sequence[str] = ()):
        self.factory, self.others = factory, others
        self.framework, self.package = framework, package_of(factory.partition(":")[0])
        self.switch = Switch()
        self.sites: list[list[Site]] = []

    def found(self, case: str, others: Iterable[Site] = ()) -> Exercise:
        """What has been exercised so far, with other sites than those of the source."""
        return Exercise([*(site for module in self.sites for site in module), *others], [case])

    def watches(self, name: str, source: bytes) -> bool:
        imported = frameworks(source)
        if self.framework == "mlx" and "mlx" in imported:
            return True
        return self.holds(name) and not imported - {self.framework}

    def holds(self, name: str) -> bool:
        """The module is in the factory's package."""
        return name == self.package or name.startswith(f"{self.package}.")

    def watch(self, sites: list[Site], module: str, file: Path) -> Watch:
        lines = of_others(module, file, self.factory, self.others)
        self.sites.append([site for site in sites if site.line not in lines])
        return Watch(sites, self.switch)


@contextmanager
def exercised(factory: str, framework: str, shared: bool = False, others: Sequence[str] = ()) -> Iterator[Exercised]:
    """Inside, the modules of a candidate are imported anew and watched; afterwards those from before are back.

    `factory` is its `"package.module:name"`; one that is `shared` with the reference is left as it is, since both sides
    may hold what its module made. `others` are the names that the contract has of everything else. What was imported
    inside and is still held passes values through.
    """
    watching = Exercised(factory, framework, others)
    if shared:
        yield watching
        return
    finder = _Finder(watching)
    kept = take_out({name for name in sys.modules if watching.holds(name)})
    before = dict(sys.modules)
    sys.meta_path.insert(0, finder)
    try:
        yield watching
    finally:
        watching.switch.on = False
        sys.meta_path.remove(finder)
        made = {name for name in sys.modules if watching.holds(name) or name in finder.made}
        # A stand-in inside has put back what reaches MLX: the module that a test has imported is to stay the one found.
        take_out({name for name in made if sys.modules[name] is not before.get(name)})
        put_back(kept)


class _Finder(MetaPathFinder):
    """Finds the source files that Python finds, and has those that are watched loaded by `_Loader`."""

    def __init__(self, watching: Exercised):
        self.watching = watching
        self.made: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in OTHERS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        if not self.watching.watches(fullname, spec.loader.get_data(spec.loader.path)):
            return None
        self.made.add(fullname)
        spec.loader = _Loader(fullname, spec.loader.path, self.watching)
        return spec


class _Loader(SourceFileLoader):
    """Runs a file as it is watched."""

    def __init__(self, fullname: str, path: str, watching: Exercised):
        super().__init__(fullname, path)
        self.watching = watching

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        file = f"{name.replace('.', '/')}{'/__init__' if self.is_package(name) else ''}.py"
        code, sites = compiled(Path(self.path), file)
        vars(module)[WATCH] = self.watching.watch(sites, name, Path(self.path))
        exec(code, vars(module))
