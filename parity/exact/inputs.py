"""Inputs that a program takes, and files of exported functions as programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from parity.base.errors import InputError
from parity.exact import mlxfn
from parity.exact.graph import program
from parity.exact.program import Program

Inputs = Sequence[np.ndarray] | Mapping[str, np.ndarray]

KINDS = {"b": "bool", "u": "integers", "i": "integers", "f": "floats", "c": "complex numbers"}


def load(path: str | Path, inputs: Inputs | None = None) -> Program:
    """The program of a `.mlxfn` file, for the shapes that it was exported with.

    `inputs` are checked to fit, as `fitting` does. Inputs of a function with keywords come behind the others, in the
    order of their names. Raises `InputError` for a file that is broken, of another version of MLX or of several
    functions, and for constants that are not numbers; `NoProgram` for an operation without a definition in double.
    """
    exported = mlxfn.read(path)
    for name, array in exported.graph.constants.items():
        if array.dtype.kind in "fc" and np.isnan(array).any():
            raise InputError(f"{path}: the constant {name} of shape {array.shape} holds NaN, expected numbers")
    made = program(exported.graph, source=str(path))
    if inputs is not None:
        fitting(made, ordered(inputs, list(exported.graph.keywords), len(made.inputs), str(path)))
    return made


def ordered(inputs: Inputs, keywords: Sequence[str], count: int, source: str) -> list[np.ndarray]:
    """The arrays in a program's order. Raises `InputError` where one is missing or too many are given.

    By name, `keywords` are found by theirs and the others are taken in the order in which they stand.
    """
    given = dict(inputs) if isinstance(inputs, Mapping) else dict(enumerate(inputs))
    missing = [name for name in keywords if isinstance(inputs, Mapping) and name not in given]
    if missing or len(given) != count:
        names = ", ".join(map(str, given)) or "none"
        by_name = f", of which by name {', '.join(keywords)}" if keywords else ""
        raise InputError(f"{source} takes {count} inputs{by_name}; got {len(given)} ({names}): give each input once")
    if not isinstance(inputs, Mapping):
        return [np.asarray(array) for array in inputs]
    others = [array for name, array in inputs.items() if name not in keywords]
    return [np.asarray(array) for array in [*others, *(inputs[name] for name in keywords)]]


def fitting(program: Program, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The inputs as the program takes them. Raises `InputError` for a wrong number, shape or kind, and for NaN or ∞."""
    source = program.source or "the program"
    if len(inputs) != len(program.inputs):
        raise InputError(f"{source} takes {len(program.inputs)} inputs, got {len(inputs)}: give each input once")
    for place, (number, array) in enumerate(zip(program.inputs, inputs, strict=True)):
        shape, dtype = program.shapes[number], program.dtypes[number]
        if array.shape != shape:
            raise InputError(
                f"{source}: input {place} has shape {array.shape}, expected {shape}: a graph is of one set of shapes; "
                "give inputs of that shape, or export it for this one"
            )
        want = "float32" if dtype == "bfloat16" else dtype
        if KINDS.get(array.dtype.kind) != KINDS[np.dtype(want).kind]:
            raise InputError(
                f"{source}: input {place} holds {array.dtype}, expected {dtype}: convert it before it is given"
            )
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise InputError(f"{source}: input {place} holds NaN or ∞, expected finite numbers")
    return list(inputs)
