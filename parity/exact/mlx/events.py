"""The events of `mx.export_function` as a program in double."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import numpy as np

from parity.exact.constants import rounded
from parity.exact.places import Place
from parity.exact.primitives import TABLE, Output, compute, named
from parity.exact.program import Constant, Node, NoProgram, Program, widened

Described = tuple[str, Sequence[int], Any]


@dataclass
class Graph:
    """What MLX exported: primitives in running order, values by MLX's own names for them."""

    inputs: list[Described] = field(default_factory=list)
    keywords: list[tuple[str, str]] = field(default_factory=list)
    outputs: list[Described] = field(default_factory=list)
    constants: list[tuple[str, Any]] = field(default_factory=list)
    primitives: list[Mapping[str, Any]] = field(default_factory=list)

    def take(self, event: Mapping[str, Any]) -> None:
        """One event of the export's callback."""
        match event["type"]:
            case "inputs":
                self.inputs = event["inputs"]
            case "keyword_inputs":
                self.keywords = event["keywords"]
            case "outputs":
                self.outputs = event["outputs"]
            case "constants":
                self.constants = event["constants"]
            case "primitive":
                self.primitives.append(event)


def exported(function: Callable[..., Any], arrays: Sequence[Any], keywords: Mapping[str, Any] | None = None) -> Graph:
    """The graph of a function of arrays. Raises `NoProgram` for a primitive that MLX cannot export."""
    graph = Graph()
    try:
        mx.export_function(graph.take, function, tuple(arrays), dict(keywords or {}))
    except ValueError as error:
        if "Unable to get state for primitive" in str(error):
            name = str(error).split()[-1]
            raise NoProgram(f"MLX cannot export the primitive {name}: run the port in the stand-in for it") from error
        raise
    return graph


def dtype_name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


def to_double(array: Any) -> np.ndarray:
    """The values of an evaluated array, floating-point ones as float64."""
    if array.dtype in (mx.float16, mx.bfloat16):
        array = array.astype(mx.float32)
    return widened(np.array(array))


@dataclass(frozen=True)
class Origin:
    """Where an operation comes from: a line of source, and the path of the module that runs it."""

    place: Place | None = None
    module: str = ""


class Builder:
    """Makes a program of a graph. Values have the numbers of their first mention.

    `double` says that the graph was traced with float64 in place of float32: float64 is then reported as float32.
    `names` are the paths of parameters by the graph's names of their arrays, `origins` the places of operations by
    the graph's names of their outputs, `substitutes` the values by which draws stand in for random ones.
    """

    def __init__(
        self,
        graph: Graph,
        double: bool = False,
        names: Mapping[str, str] | None = None,
        origins: Mapping[str, Origin] | None = None,
    ) -> None:
        self.graph, self.double = graph, double
        self.names, self.origins = names or {}, origins or {}
        self.numbers: dict[str, int] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.dtypes: dict[int, str] = {}
        self.constants: dict[int, Constant] = {}

    def number(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))

    def describe(self, values: Sequence[Described]) -> tuple[tuple[int, ...], tuple[Output, ...]]:
        """The numbers of values, and their shapes and dtypes, which are noted."""
        numbers, said = [], []
        for name, shape, dtype in values:
            number, output = self.number(name), Output(tuple(shape), dtype_name(dtype))
            self.shapes[number] = output.shape
            self.dtypes[number] = "float32" if self.double and output.dtype == "float64" else output.dtype
            numbers.append(number)
            said.append(output)
        return tuple(numbers), tuple(said)

    def program(self, outputs: Sequence[str], taps: Mapping[str, str], source: str) -> Program:
        """The program whose outputs and taps are values by the graph's names. Operations that nothing needs stay,
        unless they have no definition."""
        inputs, _ = self.describe(self.graph.inputs)
        for name, array in self.graph.constants:
            number = self.number(name)
            self.describe([(name, array.shape, array.dtype)])
            value, path = to_double(array), self.names.get(name, "")
            self.constants[number] = Constant(value, path, "" if path else rounded(value, dtype_name(array.dtype)))
        needed = self.needed([*outputs, *taps.values()])
        nodes = []
        for event in self.graph.primitives:
            alive = any(name in needed for name, _, _ in event["outputs"])
            if alive or event["name"] in TABLE:
                nodes.append(self.node(event))
        wanted = {
            *(number for node in nodes for number in node.inputs),
            *(self.number(name) for name in [*outputs, *taps.values()]),
        }
        constants = {number: constant for number, constant in self.constants.items() if number in wanted}
        return Program(
            inputs,
            constants,
            tuple(nodes),
            tuple(self.number(name) for name in outputs),
            {tap: self.number(name) for tap, name in taps.items()},
            self.shapes,
            self.dtypes,
            source,
        )

    def needed(self, wanted: Sequence[str]) -> set[str]:
        """All values that the wanted ones depend on, themselves included."""
        needed = set(wanted)
        for event in reversed(self.graph.primitives):
            if any(name in needed for name, _, _ in event["outputs"]):
                needed.update(name for name, _, _ in event["inputs"])
        return needed

    def node(self, event: Mapping[str, Any]) -> Node:
        name = event["name"]
        inputs, taken = self.describe(event["inputs"])
        outputs, given = self.describe(event["outputs"])
        origin = next((self.origins[out] for out, _, _ in event["outputs"] if out in self.origins), Origin())
        try:
            arguments = named(name, [_plain(argument) for argument in event["arguments"]])
        except NoProgram as error:
            raise NoProgram(f"{error} ({origin.place or 'its place in the source is not known'})") from None
        scalars = []
        for key in TABLE[name].scalars:
            value = np.asarray(arguments[key], np.float64)
            if kept := rounded(value, "float32"):
                number = self.number(f"{event['outputs'][0][0]}.{key}")
                self.constants[number] = Constant(value, rounded=kept)
                self.shapes[number], self.dtypes[number] = (), "float32"
                scalars.append((key, number))
        function = compute(name, arguments, taken, given, tuple(key for key, _ in scalars))
        numbers = (*inputs, *(number for _, number in scalars))
        said = {**arguments, "seen": False} if not TABLE[name].seen else arguments
        return Node(name, numbers, outputs, function, said, origin.place, origin.module)


def _plain(argument: Any) -> Any:
    """An argument without a type of MLX: dtypes by name."""
    return dtype_name(argument) if isinstance(argument, mx.Dtype) else argument
