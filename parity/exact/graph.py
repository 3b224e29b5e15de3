"""A graph of MLX's primitives, as MLX exports it, and the program in double that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.exact.constants import rounded
from parity.exact.places import Place
from parity.exact.primitives import TABLE, Output, compute, named
from parity.exact.program import Constant, Node, NoProgram, Program, widened


@dataclass(frozen=True)
class Call:
    """One primitive: its name, its state in MLX's order, and the graph's names of what it takes and gives."""

    name: str
    arguments: tuple[Any, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass
class Graph:
    """Primitives in running order. Values go by names; `said` is the shape and dtype that MLX gives each.

    `keywords` are inputs that the function takes by name. Constants are NumPy's arrays, those of bfloat16 in float32.
    """

    inputs: list[str] = field(default_factory=list)
    keywords: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    said: dict[str, Output] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """Where an operation comes from: a line of source, and the path of the module that runs it."""

    place: Place | None = None
    module: str = ""


def program(
    graph: Graph,
    outputs: Sequence[str] | None = None,
    taps: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    origins: Mapping[str, Origin] | None = None,
    double: bool = False,
    source: str = "",
) -> Program:
    """The program of a graph, whose outputs (by default all of the graph's) and taps go by the graph's names.

    `parameters` gives the paths of constants that are parameters, `origins` the origin of values. `double`: the graph
    was traced with float64 in the place of float32, so float64 is reported as float32. Operations that neither outputs
    nor taps need stay, unless they have no definition. Raises `NoProgram` for a needed one without.
    """
    return _Building(graph, parameters or {}, origins or {}, double).program(
        graph.outputs if outputs is None else outputs, taps or {}, source
    )


class _Building:
    """Numbers values in the order in which they are mentioned."""

    def __init__(self, graph: Graph, parameters: Mapping[str, str], origins: Mapping[str, Origin], double: bool):
        self.graph, self.parameters, self.origins, self.double = graph, parameters, origins, double
        self.said = dict(graph.said)
        self.numbers: dict[str, int] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.dtypes: dict[int, str] = {}
        self.constants: dict[int, Constant] = {}

    def program(self, outputs: Sequence[str], taps: Mapping[str, str], source: str) -> Program:
        inputs = self.numbered(self.graph.inputs)
        for name, array in self.graph.constants.items():
            path, value = self.parameters.get(name, ""), widened(array)
            kept = "" if path else rounded(value, self.said[name].dtype)
            self.constants[self.number(name)] = Constant(value, path, kept)
        needed = self.needed([*outputs, *taps.values()])
        nodes = tuple(self.node(call) for call in self.defined(needed))
        results, tapped = self.numbered(outputs), dict(zip(taps, self.numbered(taps.values()), strict=True))
        wanted = {*results, *tapped.values(), *(number for node in nodes for number in node.inputs)}
        constants = {number: constant for number, constant in self.constants.items() if number in wanted}
        return Program(inputs, constants, nodes, results, tapped, self.shapes, self.dtypes, source)

    def number(self, name: str) -> int:
        if name not in self.numbers:
            number = self.numbers[name] = len(self.numbers)
            said = self.said[name]
            self.shapes[number] = said.shape
            self.dtypes[number] = "float32" if self.double and said.dtype == "float64" else said.dtype
        return self.numbers[name]

    def numbered(self, names: Iterable[str]) -> tuple[int, ...]:
        return tuple(self.number(name) for name in names)

    def needed(self, wanted: Sequence[str]) -> set[str]:
        """All values that the wanted ones depend on, themselves included."""
        needed = set(wanted)
        for call in reversed(self.graph.calls):
            if not needed.isdisjoint(call.outputs):
                needed.update(call.inputs)
        return needed

    def defined(self, needed: set[str]) -> Iterator[Call]:
        """The operations that are needed, and of the others those that have a definition, as what they take does."""
        without: set[str] = set()
        for call in self.graph.calls:
            taken, given = (tuple(self.said[name] for name in names) for names in (call.inputs, call.outputs))
            defined = call.name in TABLE and not TABLE[call.name].refuse(taken, given)
            if not needed.isdisjoint(call.outputs) or (defined and without.isdisjoint(call.inputs)):
                yield call
            else:
                without.update(call.outputs)

    def node(self, call: Call) -> Node:
        origin = next((self.origins[name] for name in call.outputs if name in self.origins), Origin())
        taken = tuple(self.said[name] for name in call.inputs)
        given = tuple(self.said[name] for name in call.outputs)
        try:
            arguments = named(call.name, call.arguments, taken, given)
        except NoProgram as error:
            raise NoProgram(f"{error} ({origin.place or 'its line in the source is not known'})") from None
        scalars = []
        for key in TABLE[call.name].scalars:
            value = np.asarray(arguments[key], np.float64)
            if kept := rounded(value, "float32"):
                name = f"{call.outputs[0]}.{key}"
                self.said[name] = Output((), "float32")
                self.constants[self.number(name)] = Constant(value, rounded=kept)
                scalars.append(key)
        function = compute(call.name, arguments, taken, given, tuple(scalars))
        inputs = self.numbered([*call.inputs, *(f"{call.outputs[0]}.{key}" for key in scalars)])
        outputs = self.numbered(call.outputs)
        return Node(call.name, inputs, outputs, function, arguments, origin.place, origin.module)


def unseen(program: Program) -> list[Node]:
    """The operations that graphs from a GPU alone hold: no Mac's was ever seen here.

    RMSNorm, LayerNorm, RoPE and ScaledDotProductAttention are such operations, which a CPU runs as compositions. The
    definitions here are compared with what MLX computes on CUDA, not on Metal.
    """
    return [node for node in program.nodes if node.operation in TABLE and not TABLE[node.operation].seen]


def independent(program: Program) -> list[tuple[int, int]]:
    """Pairs (output, input), by their positions, of which the output does not depend on the input at all."""
    found = []
    for place, source in enumerate(program.inputs):
        reached = {source}
        for node in program.nodes:
            if not reached.isdisjoint(node.inputs):
                reached.update(node.outputs)
        found += [(at, place) for at, output in enumerate(program.outputs) if output not in reached]
    return sorted(found)
