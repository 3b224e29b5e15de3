"""Graphs in the format of `.mlxfn`, as MLX writes them on a GPU's stream or a CPU's."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from parity.exact.graph import Graph
from parity.exact.mlxfn import DTYPES, LATER, METADATA, STATES, VERSION, VERSIONS
from parity.exact.primitives import Output


def write(path: Path, graph: Graph, gpu: bool = False, version: str = VERSION, functions: int = 1) -> Path:
    numbers = {name: 1000 + place for place, name in enumerate(graph.said)}
    since = VERSIONS.index(version) if version in VERSIONS else 0
    metadata = [_text("")] if since >= VERSIONS.index(METADATA) else []
    parts = [_text(version), struct.pack("<i?", functions, False), *metadata]
    parts += [_list([_text(name) for name in graph.keywords])]
    parts += [_names(numbers, graph.inputs), _list([_output(graph.said[name]) for name in graph.inputs])]
    parts += [_names(numbers, graph.outputs)]
    tape = [struct.pack("<Q??", numbers[name], False, False) for name in graph.inputs]
    for name, array in graph.constants.items():
        said = _output(graph.said[name])
        if graph.said[name].dtype == "bfloat16":
            array = (array.view(np.uint32) >> 16).astype(np.uint16)
        tape.append(struct.pack("<Q??", numbers[name], False, True) + said + array.tobytes())
    for call in graph.calls:
        state = list(zip(STATES.get(call.name, ""), call.arguments, strict=True))
        if call.name in LATER and since < VERSIONS.index(LATER[call.name][0]):
            del state[LATER[call.name][1]]
        fields = b"".join(_field(kind, value) for kind, value in state)
        stream = struct.pack("<iii", 0, int(gpu), 0)
        said = [graph.said[name] for name in call.outputs]
        if len(said) == 1:
            given = struct.pack("<Q", 0) + _output(said[0])
        else:
            shapes, dtypes = [_ints(each.shape) for each in said], [_dtype(each.dtype) for each in said]
            given = struct.pack("<Q", len(said) - 1) + _names(numbers, call.outputs) + _list(shapes) + _list(dtypes)
        head = struct.pack("<Q?", numbers[call.outputs[0]], True) + _names(numbers, call.inputs)
        tape.append(head + stream + _text(call.name) + fields + given)
    path.write_bytes(b"".join([*parts, _list(tape)]))
    return path


def graph_of(
    inputs: dict[str, np.ndarray], calls: list, outputs: list[str], constants: dict[str, np.ndarray], shapes: dict
) -> Graph:
    """A graph whose values go by names; all that is not given a dtype is float32."""
    said = {name: Output(array.shape, str(array.dtype)) for name, array in {**inputs, **constants}.items()}
    said |= {name: shape if isinstance(shape, Output) else Output(shape, "float32") for name, shape in shapes.items()}
    return Graph(list(inputs), {}, outputs, constants, calls, said)


def _list(parts: list[bytes]) -> bytes:
    return struct.pack("<Q", len(parts)) + b"".join(parts)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _ints(values: object) -> bytes:
    return _list([struct.pack("<i", value) for value in values])


def _names(numbers: dict[str, int], names: object) -> bytes:
    return _list([struct.pack("<Q", numbers[name]) for name in names])


def _dtype(name: str) -> bytes:
    size = {"bool": 1, "bfloat16": 2}.get(name) or np.dtype(name).itemsize
    return struct.pack("<iB", DTYPES.index(name), size)


def _output(said: Output) -> bytes:
    return _ints(said.shape) + _dtype(said.dtype)


def _field(kind: str, value: object) -> bytes:
    if kind in "vlZ":
        return _list([struct.pack({"v": "<i", "l": "<q", "Z": "<Q"}[kind], each) for each in value])
    if kind in "st":
        return _text(value) if kind == "s" else _dtype(value)
    return struct.pack({"b": "<?", "i": "<i", "z": "<Q", "f": "<f", "d": "<d"}[kind], value)
