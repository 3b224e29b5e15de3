"""A function of `mlx.core`, as the stand-in recorded it, as a line of Python that anyone with MLX can run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from parity.exact.program import Node

_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**"}
_DTYPES = ("dtype",)
_OPTIONAL = {
    ("gather_mm", 3): ("a", "b", "rhs_indices"),
    ("gather_qmm", 5): ("x", "w", "scales", "biases", "rhs_indices"),
}
"""Which arrays a function takes where there are fewer than it could take: a program does not keep their names."""


def spelled(node: Node, inputs: Sequence[str]) -> str | None:
    """The call, its arrays by these names; None for what is no function of `mlx.core`."""
    arrays = iter(inputs)
    if node.operation == "getitem":
        source = next(arrays)
        given = node.arguments
        return f"{source}[{_index(given['index'], arrays) if 'index' in given else next(arrays)}]"
    parameters = _parameters(node.operation)
    if parameters is None:
        return None
    filled = {name: _filled(name, value, arrays) for name, value in node.arguments.items() if _has_hole(value)}
    said = {name: filled.get(name) or _value(name, value) for name, value in node.arguments.items()}
    arrays_of = _OPTIONAL.get((node.operation, len(inputs)), tuple(parameters))
    texts, keyword = list[str](), False
    for name, parameter in parameters.items():
        text = said[name] if name in said else next(arrays, None) if name in arrays_of else None
        keyword = keyword or text is None or parameter.kind is parameter.KEYWORD_ONLY
        if text is not None:
            texts.append(f"{name}={text}" if keyword else text)
    names = parameters.keys()
    if next(arrays, None) is not None or not said.keys() <= names:
        return None
    if node.operation in _INFIX and len(texts) == 2:
        return f" {_INFIX[node.operation]} ".join(text.rpartition("=")[2] for text in texts)
    return f"mx.{node.operation}({', '.join(texts)})"


@lru_cache
def _parameters(name: str) -> Mapping[str, inspect.Parameter] | None:
    from parity.exact.standin import core
    from parity.exact.standin.runtime import DeviceType

    found: Any = core.modules(DeviceType.gpu, None, {})["mlx.core"]
    for part in name.split("."):
        found = vars(found).get(part)
        if found is None:
            return None
    return inspect.signature(inspect.unwrap(found)).parameters


def _has_hole(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_hole, value))
    return repr(value) == "array"


def _filled(name: str, value: Any, arrays: Iterator[str]) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_filled(name, part, arrays) for part in value)}]"
    return next(arrays) if repr(value) == "array" else _value(name, value)


def _index(value: Any, arrays: Iterator[str]) -> str:
    if isinstance(value, tuple):
        return ", ".join(_index(part, arrays) for part in value)
    if isinstance(value, slice):
        start, stop, step = ("" if part is None else str(part) for part in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "..." if value is Ellipsis else next(arrays) if repr(value) == "array" else repr(value)


def _value(name: str, value: Any) -> str:
    if name in _DTYPES and value is not None:
        return f"mx.{value if value != 'bool' else 'bool_'}"
    return repr(value)
