"""The arrays of a result: of tuples, lists, dictionaries and dataclasses within each other.

Of a module that gives several the first is the tap.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def arrays(value: Any, is_array: Callable[[Any], bool]) -> Iterator[Any]:
    """All arrays in order; of a plain dictionary in the order of its keys, for two sides may differ in their own."""
    if is_array(value):
        yield value
        return
    found = parts(value)
    for _, part in sorted(found, key=lambda pair: str(pair[0])) if type(value) is dict else found:
        yield from arrays(part, is_array)


def first(value: Any, is_array: Callable[[Any], bool]) -> Any:
    """The first array of a result; None where it holds none."""
    if is_array(value):
        return value
    return next((found for _, part in parts(value) if (found := first(part, is_array)) is not None), None)


def with_first(value: Any, array: Any, is_array: Callable[[Any], bool]) -> Any:
    """The result with another array in place of its first. What the module gave stays as it is."""
    if is_array(value):
        return array
    for key, part in parts(value):
        if first(part, is_array) is not None:
            return _replaced(value, key, with_first(part, array, is_array))
    return value


def parts(value: Any) -> list[tuple[Any, Any]]:
    """What a result holds, by key, place or field; nothing where it holds nothing."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return []


def _replaced(value: Any, key: Any, part: Any) -> Any:
    if isinstance(value, tuple):
        made = [part if place == key else other for place, other in enumerate(value)]
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
    copied = copy.copy(value)
    if isinstance(copied, Mapping | list):
        copied[key] = part  # type: ignore[index]
        return copied
    return dataclasses.replace(value, **{key: part})
