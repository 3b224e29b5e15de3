"""A program in double: operations in the order in which they run, each a function of arrays that were made before.

Values have numbers. A program can be run again on other inputs of the same shapes, with values replaced on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.places import Place

Values = dict[int, np.ndarray]
Compute = Callable[..., Sequence[np.ndarray]]
"""Arrays in, arrays out. Floating-point arrays are float64 (complex ones complex128), whatever dtype is reported."""


class NoProgram(InputError):
    """An operation, or a way to run, that has no definition in double. The message names it and says what to do.

    It is an `InputError`, so that the command line refuses it in the same way, with a code of its own.

    >>> raise parity.NoProgram("np.load_model: no definition in double; give it a plain path")
    Traceback (most recent call last):
    parity.exact.program.NoProgram: np.load_model: no definition in double; give it a plain path
    """

    code = "model.no-program"


@dataclass(frozen=True)
class Constant:
    """An array that is part of the program: a parameter, a table, a scalar.

    `name` is a parameter's path where it is known. `rounded` is the dtype that the value was stored in where that is
    narrower than double: a float32 constant stands for the interval of half an ulp around it. A weight that both
    programs were loaded with alike is exact, whatever the file's dtype.
    """

    array: np.ndarray
    name: str = ""
    rounded: str = ""


@dataclass(frozen=True, eq=False)
class Node:
    """One operation: `operation` is its name in its framework, `arguments` what it takes besides arrays.

    `inputs` and `outputs` are numbers of values. `compute` gives the outputs from the inputs, in double. `module` is
    the path of the module that runs it, where it is known, with the number of its call: `layers.0.norm`,
    `layers.0.norm#1`.
    """

    operation: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    compute: Compute
    arguments: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None
    module: str = ""

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.operation}({said})"


@dataclass(frozen=True, eq=False)
class Program:
    """Operations in running order. `taps` are named values: the output of a module, or what the program observes.

    `shapes` and `dtypes` are those that the framework reports for each value: values themselves are double.
    """

    inputs: tuple[int, ...]
    constants: Mapping[int, Constant]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    taps: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    dtypes: Mapping[int, str] = field(default_factory=dict)
    source: str = ""

    def users(self) -> dict[int, list[Node]]:
        """Of each value, the operations that take it, in running order."""
        users: dict[int, list[Node]] = {}
        for node in self.nodes:
            for number in dict.fromkeys(node.inputs):
                users.setdefault(number, []).append(node)
        return users

    def makers(self) -> dict[int, Node]:
        """Of each value that an operation makes, that operation."""
        return {number: node for node in self.nodes for number in node.outputs}


@dataclass(frozen=True, eq=False)
class Recording:
    """A program with the values of the run that it was recorded in, by number. `result` is what was returned."""

    program: Program
    values: Values
    result: Any


Replace = Mapping[int, np.ndarray]
Edges = Mapping[tuple[int, int], np.ndarray]
After = Callable[[Node, int, np.ndarray], np.ndarray]
"""Called with an operation, the number of its output and the value; gives the value that the program goes on with."""


def evaluate(
    program: Program,
    inputs: Sequence[np.ndarray],
    replace: Replace | None = None,
    edges: Edges | None = None,
    after: After | None = None,
    keep: bool = True,
) -> Values:
    """Run a program in double and return its values by number; without `keep`, its outputs and taps alone.

    `replace` gives the values that stand in for computed ones: what takes them goes on with them. `edges` does so for
    one use alone: its keys are the place of an operation in `program.nodes` and the position of the input. `after` sees
    every value that is made, in running order. Raises `InputError` for inputs that do not fit.
    """
    replace, edges = replace or {}, edges or {}
    if len(inputs) != len(program.inputs):
        raise InputError(f"{program.source or 'the program'} takes {len(program.inputs)} inputs, got {len(inputs)}")
    values: Values = {number: constant.array for number, constant in program.constants.items()}
    for number, array in zip(program.inputs, inputs, strict=True):
        values[number] = widened(array)
        want = program.shapes.get(number)
        if want is not None and values[number].shape != want:
            raise InputError(
                f"{program.source or 'the program'}: input {program.inputs.index(number)} has shape "
                f"{values[number].shape}, expected {want}: a program is of one set of shapes; trace it for others"
            )
    values.update({number: array for number, array in replace.items() if number in values})
    kept = {*program.outputs, *program.taps.values(), *program.inputs}
    uses = Counter(number for node in program.nodes for number in set(node.inputs))
    for place, node in enumerate(program.nodes):
        taken = [edges.get((place, position), values[number]) for position, number in enumerate(node.inputs)]
        for number, value in zip(node.outputs, node.compute(*taken), strict=True):
            value = replace.get(number, value)
            values[number] = value if after is None else after(node, number, value)
        for number in () if keep else set(node.inputs):
            uses[number] -= 1
            if not uses[number] and number not in kept:
                del values[number]
    return values


def widened(array: np.ndarray) -> np.ndarray:
    """The array with floating-point values as float64, complex ones as complex128; others as they are."""
    array = np.asarray(array)
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    return array.astype(np.complex128, copy=False) if array.dtype.kind == "c" else array
