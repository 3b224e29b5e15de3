"""The table of primitives: of each name, its definition in double and the names of its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.exact.program import Compute, NoProgram

Definition = Callable[..., Any]


@dataclass(frozen=True)
class Output:
    """What MLX says of an array: its shape, and its dtype by name ("float32", "bool")."""

    shape: tuple[int, ...]
    dtype: str


Refuse = Callable[[tuple[Output, ...], tuple[Output, ...]], str]
"""Says of inputs and outputs why there is no definition for them; empty where there is one."""


@dataclass(frozen=True)
class Entry:
    """A definition takes arrays by position and `arguments` by keyword.

    `scalars` are those arguments that MLX keeps in float32: the definition is handed a value that may have been
    replaced by a more exact one. `wants` are the keywords `inputs` and `outputs`, where the definition takes them.
    `choices` names what MLX numbers. `seen` is False where a GPU's graphs alone hold the primitive.
    """

    definition: Definition
    arguments: tuple[str, ...]
    scalars: tuple[str, ...]
    wants: frozenset[str]
    seen: bool
    refuse: Refuse
    choices: Mapping[str, tuple[str, ...]]


TABLE: dict[str, Entry] = {}


def primitive(
    name: str,
    *arguments: str,
    scalars: tuple[str, ...] = (),
    seen: bool = True,
    refuse: Refuse = lambda inputs, outputs: "",
    choices: Mapping[str, tuple[str, ...]] | None = None,
) -> Callable[[Definition], Definition]:
    """Enter a definition for the primitive `name`, whose state MLX exports in the order of `arguments`."""

    def enter(definition: Definition) -> Definition:
        try:
            wants = frozenset({"inputs", "outputs"} & set(inspect.signature(definition).parameters))
        except ValueError:  # NumPy's own functions of before 2.4 have no signature
            wants = frozenset()
        TABLE[name] = Entry(definition, arguments, scalars, wants, seen, refuse, choices or {})
        return definition

    return enter


def named(
    name: str, arguments: Sequence[Any], inputs: tuple[Output, ...], outputs: tuple[Output, ...]
) -> dict[str, Any]:
    """The arguments of a primitive by name. Raises `NoProgram` for a primitive or a state that is not known."""
    entry = TABLE.get(name)
    why = advice(name) if entry is None else entry.refuse(inputs, outputs)
    if entry is None or why:
        raise NoProgram(f"the primitive {name} has no definition in double: {why}")
    if len(arguments) != len(entry.arguments):
        raise NoProgram(
            f"the primitive {name} has {len(arguments)} arguments, expected {len(entry.arguments)} "
            f"({', '.join(entry.arguments)}): {ANOTHER}"
        )
    said = dict(zip(entry.arguments, arguments, strict=True))
    for key, names in entry.choices.items():
        if said[key] not in range(len(names)):
            raise NoProgram(f"the primitive {name} has {key} {said[key]}, expected 0 to {len(names) - 1}: {ANOTHER}")
        said[key] = names[said[key]]
    return said


def compute(
    name: str,
    arguments: Mapping[str, Any],
    inputs: tuple[Output, ...],
    outputs: tuple[Output, ...],
    scalars: tuple[str, ...] = (),
) -> Compute:
    """The function of a primitive: arrays in, arrays out, of the shapes that MLX says.

    `scalars` are arguments that come as further arrays behind the inputs, in that order.
    """
    entry = TABLE[name]
    said = {"inputs": inputs, "outputs": outputs}
    fixed = {key: value for key, value in arguments.items() if key not in scalars}
    fixed |= {key: said[key] for key in entry.wants}
    count = len(inputs)

    def run(*arrays: np.ndarray) -> Sequence[np.ndarray]:
        given = dict(zip(scalars, arrays[count:], strict=True))
        with np.errstate(all="ignore"):  # infinities and NaN are values, as in MLX
            made = entry.definition(*arrays[:count], **fixed, **given)
        values = list(made) if isinstance(made, (list, tuple)) else [made]
        for value, output in zip(values, outputs, strict=True):
            if np.shape(value) != output.shape:
                raise NoProgram(
                    f"the definition of {name}({arguments}) gives shape {np.shape(value)} and MLX says "
                    f"{output.shape}: the definition is wrong for these shapes; please report it"
                )
        return [np.asarray(value) for value in values]

    return run


ANOTHER = "the graph is of another MLX version; export it with the installed one"

REFUSED = {
    "CustomKernel": "a kernel of one's own has no definition but its source; trace the plain path beside it",
    "Compiled": "a fused kernel does not say what it computes; export with mx.disable_compile()",
    "CustomTransforms": "a function with a gradient of its own cannot be exported; trace it without the decorator",
    "Load": "an array is still in its file; evaluate the parameters before exporting",
    "RandomBits": "random bits are no mathematics: make the noise an argument of both; in Python, give `draws=`",
}
"""Primitives without a definition, and what to do."""


def advice(name: str) -> str:
    """What to do about a primitive that has no definition."""
    if name.endswith("VJP"):
        return "a gradient is not part of a forward pass; trace the forward pass alone"
    return REFUSED.get(name, "run the port in the stand-in for mlx.core, and report the primitive")
