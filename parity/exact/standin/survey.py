"""Which names of `mlx.core` a package calls, and which of them the stand-in has.

    python -m parity.exact.standin.survey mlx.nn mlx_lm.models /path/to/package

Names are found in the source, which is not run: `mx.exp`, `mx.fast.rope`, `from mlx.core import array`, and the methods
of arrays, as far as no other object's can be meant: names that only arrays have among what Python and NumPy know.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.standin import core
from parity.exact.standin.array import array
from parity.exact.standin.runtime import DeviceType

COVERED, REFUSED, MISSING = "covered", "refused by name", "not in MLX"

REFUSES = {
    "ArrayIterator", "ArrayLike", "FunctionExporter", "distributed.recv", "distributed.recv_like",
    "distributed.send", "export_function", "export_to_dot", "exporter", "fast.cuda_kernel", "fast.metal_kernel",
    "fast.precompiled_cuda_kernel", "gather_qqmm", "grad", "import_function", "jvp", "save_gguf", "value_and_grad",
    "vjp",
}  # fmt: skip
"""Names that refuse when they are asked for, when they are called, or when what they give is."""


@dataclass
class Survey:
    """How often each name of `mlx.core` occurs in the source of a package."""

    package: str
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, status: str) -> list[str]:
        """The names of a status, in order."""
        return sorted(name for name in self.counts if state(name) == status)


def state(name: str) -> str:
    """Whether the stand-in covers a name, refuses it, or MLX itself has none such."""
    if name in REFUSES:
        return REFUSED
    found: Any = _STANDIN
    for part in name.split("."):
        found = array if part == "array" else vars(found).get(part) if hasattr(found, "__dict__") else None
        if found is None and part != "newaxis":
            return MISSING
    return COVERED


_STANDIN = core.modules(DeviceType.gpu, None, {})["mlx.core"]
_SUBMODULES = ("cuda", "distributed", "fast", "fft", "linalg", "metal", "random")
_METHODS = {name for name in vars(array) if not name.startswith("_")} - set(dir(np.ndarray)) - set(dir(str))


def survey(package: str) -> Survey:
    """Read a package's files: a folder, a file or a dotted name. Raises InputError where there is none."""
    found = Survey(package)
    for path in _files(package):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        except SyntaxError as error:
            raise InputError(f"{path}: not a Python file ({error})") from error
        names = _Names()
        names.visit(tree)
        found.counts.update(names.found)
    return found


def _files(package: str) -> Iterator[Path]:
    path = Path(package)
    if not path.exists():
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise InputError(f"{package!r}: neither a folder nor a package that can be found")
        path = Path(next(iter(spec.submodule_search_locations or [spec.origin or ""])))
    yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


class _Names(ast.NodeVisitor):
    """The names of `mlx.core` in one file.

    `aliases` are local names of the module and of modules below it, `others` what else is imported: no arrays.
    """

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.others: set[str] = set()
        self.found: list[str] = []

    def visit_Import(self, node: ast.Import) -> None:
        self.others |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        for alias in node.names:
            if alias.name == "mlx.core" or alias.name.startswith("mlx.core."):
                below = alias.name.removeprefix("mlx.core").removeprefix(".")
                self.aliases[alias.asname or alias.name] = below if alias.asname else ""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        self.others |= {alias.asname or alias.name for alias in node.names}
        if module == "mlx":
            self.aliases |= {alias.asname or alias.name: "" for alias in node.names if alias.name == "core"}
        if module == "mlx.core" or module.startswith("mlx.core."):
            prefix = module.removeprefix("mlx.core").removeprefix(".")
            for alias in node.names:
                name = f"{prefix}.{alias.name}" if prefix else alias.name
                if name in _SUBMODULES:
                    self.aliases[alias.asname or alias.name] = name
                else:
                    self.found.append(name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self._name(node)
        if name is None:
            if node.attr in _METHODS and not (isinstance(node.value, ast.Name) and node.value.id in self.others):
                self.found.append(f"array.{node.attr}")
            self.visit(node.value)
        elif name not in _SUBMODULES and not name.startswith("__"):
            self.found.append(name)

    def _name(self, node: ast.Attribute) -> str | None:
        """The name below `mlx.core` that an attribute is, at most a module and a name of it; None for others."""
        parts: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            return None
        said = [inner.id, *parts]
        for length in range(1, len(said)):
            alias = ".".join(said[:length])
            if alias in self.aliases:
                below = [*filter(None, [self.aliases[alias]]), *said[length:]]
                return ".".join(below[: 2 if below[0] in _SUBMODULES else 1])
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="parity.exact.standin.survey", description=__doc__.partition("\n")[0])
    parser.add_argument("packages", nargs="+", help="dotted names, folders or files")
    parser.add_argument("--names", action="store_true", help="say which names are not covered")
    options = parser.parse_args(arguments)
    everything: Counter[str] = Counter()
    for package in options.packages:
        found = survey(package)
        everything.update(found.counts)
        _say(found, options.names)
    if len(options.packages) > 1:
        _say(Survey("together", everything), options.names)
    return 0


def _say(found: Survey, names: bool) -> None:
    counts = {status: len(found.of(status)) for status in (COVERED, REFUSED, MISSING)}
    total = counts[COVERED] + counts[REFUSED]
    share = f"{100 * counts[COVERED] / total:.1f} %" if total else "none"
    print(f"{found.package}: {total} names of MLX, {counts[COVERED]} covered ({share}), ", end="")
    print(f"{counts[REFUSED]} refused by name; {counts[MISSING]} not in MLX")
    for status in (REFUSED, MISSING) if names else ():
        for name in found.of(status):
            print(f"  {status}: {name} ({found.counts[name]})")


if __name__ == "__main__":
    raise SystemExit(main())
