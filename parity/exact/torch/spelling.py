"""An operation of a recorded torch program as a line of Python that anyone with PyTorch can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from parity.exact.program import Node

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@"}
_LOWERED = ("pin_memory", "device", "layout")
"""Arguments that say where and how a tensor lies, not what it holds."""


def spelled(node: Node, inputs: Sequence[str]) -> str | None:
    """The call, its tensors by these names; None where PyTorch has no operation of that name and these arguments."""
    name = node.operation.removeprefix("aten.")
    arguments = {key: value for key, value in node.arguments.items() if key not in _LOWERED}
    if name in _INFIX and len(inputs) + ("other" in arguments) == 2 and set(arguments) <= {"other"}:
        return f"{inputs[0]} {_INFIX[name]} {inputs[1] if len(inputs) == 2 else _said('other', arguments['other'])}"
    packet = getattr(torch.ops.aten, name, None)
    for overload in packet.overloads() if packet is not None else ():
        text = _call(getattr(packet, overload)._schema.arguments, list(inputs), arguments)
        if text is not None:
            return f"torch.ops.aten.{name}({text})"
    return None


def _call(parameters: Sequence[Any], inputs: list[str], given: dict[str, Any]) -> str | None:
    """Arguments of a schema that takes all of these; None where it does not."""
    names = {parameter.name for parameter in parameters}
    if not set(given) <= names or "out" in names:
        return None
    said, skipped, left = list[str](), False, list(inputs)
    for parameter in parameters:
        kind = str(parameter.type)
        if parameter.name in given:
            value = _said(parameter.name, given[parameter.name])
        elif kind == "List[Tensor]" and left:
            value, left = f"[{', '.join(left)}]", []
        elif "Tensor" in kind and not kind.startswith("List") and left:
            value = left.pop(0)
        else:
            skipped = True
            continue
        keyword = skipped or parameter.kwarg_only or parameter.name in given
        said.append(f"{parameter.name}={value}" if keyword else value)
        skipped = skipped or keyword
    return None if left else ", ".join(said)


def _said(name: str, value: Any) -> str:
    if name == "dtype":
        return f"torch.{value}"
    return repr(list(value)) if isinstance(value, tuple) else repr(value)
