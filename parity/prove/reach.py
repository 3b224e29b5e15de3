"""What a call can change besides its arguments: what a function closes over, and what an object holds."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

_OUTSIDE = sys.stdlib_module_names | {"mlx", "numpy", "torch", "parity"}
"""Packages whose objects hold nothing of a model."""
_MOST = 10_000
"""Values that are looked at, at most: those of a function are few."""


@dataclass
class Reach:
    """The modules of either framework that a value reaches, PyTorch's tensors, and all else that holds something.

    Modules that a function names are among them: what it closes over, the object of a method, the arguments of a
    partial, and globals of its own file. What holds something is a dictionary, a list or the cell of a closure.
    """

    modules: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    holders: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, *given: Any) -> Reach:
        found, waiting, seen = cls(), list(given), dict[int, Any]()
        while waiting and len(seen) < _MOST:
            value = waiting.pop()
            if id(value) in seen or value is None or isinstance(value, ModuleType | type):
                continue
            seen[id(value)] = value
            if hasattr(value, "named_modules"):
                found.modules.append(value)
            elif hasattr(value, "data_ptr"):
                found.tensors.append(value)
            elif not hasattr(value, "dtype"):
                holders, parts = _holders(value), list(_parts(value))
                found.holders += holders
                waiting += parts + [part for holder in holders for part in _content(holder).values()]
        return found

    def hold(self) -> list[tuple[Any, dict[Any, Any]]]:
        """What each holder has. Meanwhile it has copies of MLX's arrays, which an assignment to a part changes."""
        before = [(holder, _content(holder)) for holder in self.holders]
        for holder, content in before:
            if any(map(_is_mlx, content.values())):
                _fill(holder, {key: copy(value) if _is_mlx(value) else value for key, value in content.items()})
        return before

    @staticmethod
    def restore(before: list[tuple[Any, dict[Any, Any]]]) -> None:
        for holder, content in before:
            now = _content(holder)
            if list(now) != list(content) or any(now[key] is not value for key, value in content.items()):
                _fill(holder, content)


@dataclass(frozen=True)
class _Globals:
    """The globals that a function names."""

    own: dict[str, Any]
    names: tuple[str, ...]


def _holders(value: Any) -> list[Any]:
    if isinstance(value, FunctionType):
        named = tuple(name for name in value.__code__.co_names if name in value.__globals__)
        return [*(cell for cell in value.__closure__ or () if cell != CellType()), _Globals(value.__globals__, named)]
    if isinstance(value, dict | list):
        return [value]
    outside = type(value).__module__.partition(".")[0] in _OUTSIDE
    return [vars(value)] if hasattr(value, "__dict__") and not outside else []


def _parts(value: Any) -> Iterator[Any]:
    """What it has, and cannot change."""
    if isinstance(value, MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, tuple):
        yield from value
    elif not isinstance(value, FunctionType):
        yield inspect.getattr_static(type(value), "__call__", None)  # an object's own code names globals, too


def _content(holder: Any) -> dict[Any, Any]:
    if isinstance(holder, CellType):
        return {"": holder.cell_contents}
    if isinstance(holder, _Globals):
        return {
            name: value
            for name in holder.names
            if not isinstance(value := holder.own[name], FunctionType) or value.__globals__ is holder.own
        }
    return dict(holder) if isinstance(holder, dict) else dict(enumerate(holder))


def _fill(holder: Any, content: dict[Any, Any]) -> None:
    if isinstance(holder, CellType):
        holder.cell_contents = content[""]
    elif isinstance(holder, _Globals):
        holder.own.update(content)
    elif isinstance(holder, dict):
        dict.clear(holder)
        dict.update(holder, content)
    else:
        list.__setitem__(holder, slice(None), list(content.values()))


def _is_mlx(value: Any) -> bool:
    return type(value).__module__ == "mlx.core" and type(value).__name__ == "array"
