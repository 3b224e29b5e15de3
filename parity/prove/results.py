"""What a side gives: its arrays in one order, and what they are called at every depth, whatever holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.prove.inputs import OUTPUT

Names = dict[str, Any] | list[Any] | None
"""The names within a result, and within what these name; a list where there are none, None at an array."""


class Results:
    """A function that gives a list of its arrays. `names` are those of the last result.

    `like` are the names of the other side: what has the same ones is taken in the same order. Otherwise a plain
    dictionary is in the order of its keys, and a result of another kind in its own. `numpy`: arrays are NumPy's.
    """

    def __init__(self, function: Callable[..., Any], like: Names = None, numpy: bool = False):
        self.function, self.like, self.numpy = function, like, numpy
        self.names: Names = None

    def __call__(self, *args: Any) -> list[Any]:
        arrays, self.names = _read(self.function(*args), self.like, self.numpy)
        return arrays


def _read(value: Any, like: Names, numpy: bool) -> tuple[list[Any], Names]:
    """The arrays of a result, and their names: what holds no array has none.

    Raises `InputError` for numbers, which nothing would judge, and for NumPy's arrays among a framework's.
    """
    if numpy and isinstance(value, np.ndarray | np.generic):
        return [value], None
    if isinstance(value, bool | int | float | complex | np.ndarray | np.generic):
        kind = type(value).__name__
        raise InputError(f"a result holds {str(value)[:40]} ({kind}), which is not judged: give the framework's arrays")
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return [value], None
    arrays: list[Any] = []
    held = _named(value)
    if held is not None:
        order, named = list(like) if isinstance(like, dict) else [], dict[str, Names]()
        for name in sorted(held, key=lambda name: order.index(name) if name in order else len(order)):
            found, within = _read(held[name], like.get(name) if isinstance(like, dict) else None, numpy)
            arrays += found
            named |= {name: within} if found else {}
        return arrays, named
    unnamed: list[Names] = []
    for part in value if isinstance(value, list | tuple) else ():
        expected = like[len(unnamed)] if isinstance(like, list) and len(unnamed) < len(like) else None
        found, within = _read(part, expected, numpy)
        arrays += found
        unnamed += [within] if found else []
    return arrays, unnamed


def _named(value: Any) -> dict[str, Any] | None:
    """What a mapping, a named tuple or a dataclass holds; None for what has no names."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=str) if type(value) is dict else list(value)
        return {str(key): value[key] for key in keys}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def named_alike(reference: Names, port: Names) -> list[str]:
    """Which output has which name, and where one side alone has names. Raises `InputError` where the two are others."""
    said = [text for text in _compared(reference, port, "") if text]
    names = list(_paths(reference if _any(reference) or not _any(port) else port, ""))
    if len(names) > 1 and all(names) and not (isinstance(reference, list) and isinstance(port, list)):
        said.append(", ".join(f"{OUTPUT} {place} is {name}" for place, name in enumerate(names)))
    return said


def _compared(reference: Names, port: Names, path: str) -> Iterator[str]:
    at = f"in {path} " if path else ""
    if isinstance(reference, dict) and isinstance(port, dict):
        if reference.keys() != port.keys():
            ours, theirs = (", ".join(sorted(names)) for names in (reference, port))
            raise InputError(f"{at}the reference gives {ours}, the port {theirs}: give the same keys")
        for name in reference:
            yield from _compared(reference[name], port[name], f"{path}.{name}".lstrip("."))
    elif isinstance(reference, list) and isinstance(port, list):
        for place, (ours, theirs) in enumerate(zip(reference, port, strict=False)):
            yield from _compared(ours, theirs, f"{path}.{place}".lstrip("."))
    elif isinstance(reference, dict) != isinstance(port, dict):
        sides = ("the reference", "the port") if isinstance(reference, dict) else ("the port", "the reference")
        names = reference if isinstance(reference, dict) else port
        if names is not None and len(names) > 1:
            yield (
                f"{at}{sides[0]} gives {', '.join(names)} by name and {sides[1]} gives no names: "
                "outputs are compared in this order"
            )


def _any(names: Names) -> bool:
    """Whether there are names at some depth."""
    return isinstance(names, dict) or (isinstance(names, list) and any(map(_any, names)))


def _paths(names: Names, path: str) -> Iterator[str]:
    """What each array is called, in order: `states.0` is the first of those that are called states."""
    if names is None:
        yield path
        return
    for name, within in names.items() if isinstance(names, dict) else enumerate(names):
        yield from _paths(within, f"{path}.{name}".lstrip("."))
