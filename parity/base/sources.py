"""What an object of one's own source reaches: parts of its file, and modules, without anything being imported.

One file may hold both sides of a contract and its cases. What only others reach is none of the candidate's.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from parity.base import syntax

OTHERS = ("parity", "mlx", "torch")
"""Packages that are nobody's own: the engine, and frameworks."""
INSTALLED = ("site-packages", "dist-packages")
"""Folders of what was installed."""


@dataclass(frozen=True)
class Part:
    """A statement at the top of a file: its `lines`, the names that it `makes` and `uses`, and what it `imports`."""

    lines: range
    makes: frozenset[str]
    uses: frozenset[str]
    imports: frozenset[str]


def parts(source: str, package: str = "") -> list[Part]:
    """The statements at the top of a source; `package` is what its relative imports begin from."""
    return [_part(node, package) for node in syntax.module(source).body]


def reached(source: str, names: Iterable[str], package: str = "") -> list[Part]:
    """The parts that the objects of these names are made by or use, in the order of the source.

    >>> source = "import numpy\\nlow = numpy.e\\ndef f():\\n    return low\\ndef g():\\n    return 1"
    >>> [part.lines.start for part in reached(source, ["f"])]
    [1, 2, 3]
    """
    every = parts(source, package)
    wanted, found = set(names), set[int]()
    while more := {place for place, part in enumerate(every) if part.makes & wanted} - found:
        found |= more
        wanted |= {name for place in more for name in every[place].uses}
    return [every[place] for place in sorted(found)]


def of_others(module: str, file: Path, own: str, others: Iterable[str]) -> frozenset[int]:
    """The lines of a module that the objects `others` reach, and the object `own` does not; none of another module.

    All are named as `"package.module:name"`.
    """
    if own.partition(":")[0] != module:
        return frozenset()
    source = file.read_text(encoding="utf-8")
    kept, apart = (
        {line for part in reached(source, _names(module, dotted)) for line in part.lines} for dotted in ([own], others)
    )
    return frozenset(apart - kept)


def _names(module: str, dotted: Iterable[str]) -> list[str]:
    return [name for where, _, name in (each.partition(":") for each in dotted) if where == module]


def modules(dotted: str) -> dict[str, Path]:
    """The files of the modules that `"package.module:name"` reaches, its own first, by their dotted names.

    Of its own module that is what the object itself reaches, of others all that they import. Modules that were
    installed, frameworks and the engine are left out. Nothing is imported.
    """
    return _modules(dotted)[0]


def installed(dotted: str) -> dict[str, Path]:
    """The files of the installed modules that one's own (`modules`) import, but for frameworks and the engine."""
    own, imported = _modules(dotted)
    found = {module: _file(module, installed=True) for module in sorted(imported - own.keys())}
    return {module: file for module, file in found.items() if file is not None}


def _modules(dotted: str) -> tuple[dict[str, Path], set[str]]:
    """Modules of one's own by name, and all names that these import."""
    module, _, name = dotted.partition(":")
    found: dict[str, Path] = {}
    waiting, imported = [module], set[str]()
    while waiting:
        current = waiting.pop(0)
        if current in found or (file := _file(current)) is None:
            continue
        found[current] = file
        package = current if file.name == "__init__.py" else current.rpartition(".")[0]
        source = file.read_text(encoding="utf-8")
        chosen = reached(source, [name], package) if current == module and name else parts(source, package)
        more = {each for part in chosen for each in part.imports}
        imported |= more
        waiting += sorted(more)
        waiting += filter(None, [current.rpartition(".")[0]])  # a package's own file runs before its modules
    return found, imported


def top(module: str, installed: bool = False) -> ModuleSpec | None:
    """How the outermost package of a module of one's own is found, or of an installed one.

    None for one of the other kind, for frameworks, Python's own and the engine, and for what is not there.
    """
    name = module.partition(".")[0]
    if name in OTHERS or name in sys.stdlib_module_names:
        return None
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or any(part in INSTALLED for place in places(spec) for part in place.parts) != installed:
        return None
    return spec


def places(spec: ModuleSpec) -> list[Path]:
    """The folders of a package, or the file of a module that is none."""
    if spec.submodule_search_locations:
        return list(dict.fromkeys(Path(place).resolve() for place in spec.submodule_search_locations))
    return [Path(spec.origin)] if spec.origin and spec.origin.endswith(".py") else []


def _file(module: str, installed: bool = False) -> Path | None:
    """The source of a module; None where there is none, as of a function that an import names."""
    if (spec := top(module, installed)) is None:
        return None
    _, *below = module.split(".")
    for place in places(spec):
        if place.is_file():
            return None if below else place
        inner = place.joinpath(*below)
        for file in (inner / "__init__.py", inner.with_suffix(".py")):
            if file.is_file():
                return file.resolve()
    return None


def _part(node: ast.stmt, package: str) -> Part:
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    makes, uses, imports = set[str](), set[str](), set[str]()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        makes.add(node.name)
    inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            (uses if inside or isinstance(each.ctx, ast.Load) else makes).add(each.id)
        elif isinstance(each, ast.Import | ast.ImportFrom):
            imports.update(_imported(each, package))
            bound = {alias.asname or alias.name.partition(".")[0] for alias in each.names}
            makes |= set() if inside else bound
    return Part(range(first, (node.end_lineno or first) + 1), frozenset(makes), frozenset(uses), frozenset(imports))


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    module = ".".join(filter(None, [*above, node.module]))
    yield module
    yield from (f"{module}.{alias.name}" for alias in node.names)
