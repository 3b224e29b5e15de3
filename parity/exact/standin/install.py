"""Putting the stand-in in MLX's place, and MLX back."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from parity.base.errors import InputError, MissingModuleError
from parity.exact.modules import hold, put_back, take_out
from parity.exact.standin import core
from parity.exact.standin.random import Draws
from parity.exact.standin.runtime import DeviceType

_OWN = "parity.exact.standin"
_installed: list[ModuleType] = []


@contextmanager
def installed(
    device: str = "gpu", draws: Draws | None = None, kernels: Mapping[str, Callable[..., Any]] | None = None
) -> Iterator[ModuleType]:
    """Inside, `import mlx.core` gives the stand-in, which the context manager gives as well.

    Modules that reach MLX (`mlx.nn`, a port's own) are imported anew inside, on top of the stand-in; afterwards those
    from before are back as they were. `device` is what the default device says it is: for a GPU many ports have one
    plain path, for a CPU special ones. `draws` are what calls of `mx.random` give, `kernels` the twins of custom
    kernels by their names. Raises InputError inside of another.
    """
    if _installed:
        raise InputError("the stand-in for mlx.core is installed already; leave the inner `installed()` out")
    if device not in ("cpu", "gpu"):
        raise InputError(f"got device {device!r}, expected 'cpu' or 'gpu'")
    made = core.modules(DeviceType[device], draws, kernels or {})
    before = dict(sys.modules)
    package = _package()
    kept = take_out(reaching(before))
    own = vars(package).get("core")
    _installed.append(made["mlx.core"])
    sys.modules.update(made)
    setattr(package, "core", made["mlx.core"])  # noqa: B010 - a module's name, which the type does not know
    try:
        with np.errstate(all="ignore"):
            yield made["mlx.core"]
    finally:
        _installed.clear()
        after = dict(sys.modules)
        take_out({name for name in reaching(after) if after[name] is not before.get(name)})
        hold(package, "core", own)
        put_back(kept)


def _package() -> ModuleType:
    try:
        return importlib.import_module("mlx")
    except ModuleNotFoundError:
        raise MissingModuleError(
            "MLX is not installed: a port's mlx.nn is its own Python, on the stand-in too"
        ) from None


def reaching(modules: Mapping[str, ModuleType]) -> set[str]:
    """The names of modules that are MLX's, or whose globals hold something of one that reaches it."""
    mlx = {name for name in modules if name == "mlx.core" or name.startswith(("mlx.core.", "mlx.nn", "mlx.utils"))}
    return using(modules, mlx)


def using(modules: Mapping[str, ModuleType], wanted: set[str]) -> set[str]:
    """The names of those modules that are wanted, and of all whose globals hold something of one of these.

    That a package holds its own submodules is the import system's doing: it does not count.
    """
    users: dict[str, set[str]] = {}
    for name, module in modules.items():
        if module is None or name == "__main__" or name == _OWN or name.startswith(f"{_OWN}."):
            continue
        for value in list(getattr(module, "__dict__", {}).values()):
            origin = _origin(value)
            if origin in modules and origin != name and not (_is(value, ModuleType) and _within(origin, name)):
                users.setdefault(origin, set()).add(name)
    found = {name for name in wanted if name in modules}
    waiting = list(found)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in found:
                found.add(user)
                waiting.append(user)
    return found | {package for name in found for package in _between(name, found) if package in modules}


def _between(name: str, found: set[str]) -> list[str]:
    """The packages that lie between a module and the outermost one around it that is imported anew.

    The import of `a.b.c` runs `a` only where `a.b` is to be imported, too.
    """
    parts = name.split(".")
    around = [".".join(parts[:length]) for length in range(1, len(parts))]
    outermost = next((place for place, package in enumerate(around) if package in found), len(around))
    return around[outermost:]


def _within(name: str, package: str) -> bool:
    return name.startswith(f"{package}.")


def _origin(value: Any) -> str:
    if _is(value, ModuleType):
        return str(value.__name__)
    holder = value if _is(value, type, FunctionType) else type(value)
    origin = holder.__module__
    return origin if isinstance(origin, str) else ""


def _is(value: Any, *kinds: type) -> bool:
    """Its class is one of these. `isinstance` asks the value too, and a deprecated one answers with a warning."""
    return issubclass(type(value), kinds)
