"""The self-check of a twin: what was computed, or is held, in less than double."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from torch import nn

from parity.exact.program import Node, Program, Recording
from parity.exact.torch.operations import NARROW

SINGLE = {"float32", "complex64"}
HALF = {"float16", "bfloat16", "complex32", "float8_e4m3fn", "float8_e5m2"}

remarks: WeakKeyDictionary[nn.Module, list[str]] = WeakKeyDictionary()
"""Of a twin, what stayed rounded to single precision when it was made."""


def single(subject: nn.Module | Program | Recording) -> list[str]:
    """What is in single precision; empty for a right twin.

    Of a module: parameters and buffers, and what the twin could not make anew in double. Of a program: constants, and
    every operation that takes or gives single precision, with its place and module.
    """
    if isinstance(subject, nn.Module):
        held = [*subject.named_parameters(), *subject.named_buffers()]
        found = [f"{name}: {str(t.dtype).removeprefix('torch.')}" for name, t in held if t.dtype in NARROW]
        return found + remarks.get(subject, [])
    return _of(subject, SINGLE)


def narrowing(subject: Program | Recording) -> list[str]:
    """Casts to half precision, and what is computed in it: mathematics of the reference, if they are the reference's.

    A right twin may have them, for a model may ask for half precision; a port that casts elsewhere is wrong.
    """
    return _of(subject, HALF)


def _of(subject: Program | Recording, dtypes: set[str]) -> list[str]:
    program = subject.program if isinstance(subject, Recording) else subject
    constants = [
        f"constant {constant.name or f'of shape {constant.array.shape}'}: {constant.rounded}"
        for constant in program.constants.values()
        if constant.rounded in dtypes
    ]
    return constants + [said for node in program.nodes if (said := _said(node, program, dtypes))]


def _said(node: Node, program: Program, dtypes: set[str]) -> str:
    taken = [program.dtypes[number] for number in node.inputs]
    given = [program.dtypes[number] for number in node.outputs]
    if not dtypes & {*taken, *given}:
        return ""
    inside = f" in {node.module}" if node.module else ""
    return f"{node.operation} at {node.place}{inside}: {', '.join(taken) or 'nothing'} to {', '.join(given)}"
