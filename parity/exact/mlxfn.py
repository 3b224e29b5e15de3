"""Files that `mx.export_function` writes, from Python, C++, C or Swift, read without MLX.

MLX itself reads a file of a Mac's on a Mac alone, and gives constants only once the function has been run. The format
is little-endian and has no marks between fields: `mlx/export.cpp`.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.exact.graph import Call, Graph
from parity.exact.primitives import Output
from parity.exact.primitives.registry import advice
from parity.exact.program import NoProgram

VERSIONS = ("0.31.1", "0.31.2", "0.32.0", "0.32.1", "0.32.2", "0.32.3", "0.32.4")
"""Versions of MLX whose fields are known here, the oldest first. mlx-swift 0.31 and MLX-C 0.6 write 0.31.1."""

VERSION = VERSIONS[-1]
"""The one that is installed beside this package."""

DTYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64", "bfloat16", "complex64"),
)
"""By MLX's numbers."""

STATES = {
    "AddMM": "ff", "Arange": "ddd", "ArgPartition": "ii", "ArgReduce": "ii", "ArgSort": "i", "AsStrided": "vlz",
    "AsType": "t", "BitwiseBinary": "i", "BlockMaskedMM": "i", "Broadcast": "v", "BroadcastAxes": "v", "Cholesky": "b",
    "Concatenate": "i", "Convolution": "vvvvvib", "DynamicSlice": "vv", "DynamicSliceUpdate": "v", "Eig": "b",
    "Eigh": "sb", "Equal": "b", "ExpandDims": "v", "FFT": "Zbbb", "Flatten": "ii", "Gather": "vv", "GatherAxis": "i",
    "GatherMM": "bb", "GatherQMM": "iiibbb", "Hadamard": "f", "Inverse": "bb", "LayerNorm": "f", "Log": "i",
    "NumberOfElements": "vbt", "Pad": "vvv", "Partition": "ii", "Quantize": "iiib", "QuantizedMatmul": "iiib",
    "RMSNorm": "f", "RandomBits": "vi", "Reduce": "iv", "Reshape": "v", "RoPE": "ibffb", "SVD": "b",
    "Scan": "iibb", "ScaledDotProductAttention": "fbbbb", "Scatter": "iv", "ScatterAxis": "ii", "SearchSorted": "b",
    "Slice": "vvv", "SliceUpdate": "ivvv", "Softmax": "b", "Sort": "i", "Split": "vi", "Sqrt": "b", "Squeeze": "v",
    "Transpose": "v", "Unflatten": "iv", "View": "t",
}  # fmt: skip
"""Of each primitive the kinds of its state's fields; none of those that are not here.

b bool, i int32 or enum, z uint64, f float32, d float64, t dtype, s text; v, l, Z lists of int32, int64, uint64.
"""

METADATA = "0.32.1"
"""The version since which a text of the user's stands behind the header."""

LATER = {
    "SliceUpdate": ("0.31.2", 0, 4),
    "ScaledDotProductAttention": ("0.32.2", 4, False),
    "FFT": ("0.32.4", 3, False),
}
"""Of a primitive the version since which its state has a field more, that field's place, and what it was without."""

OPAQUE = ("CustomKernel", "RMSNormVJP", "LayerNormVJP")
"""Primitives whose fields are not read."""


@dataclass(frozen=True)
class Exported:
    """A file's function. `shapeless`: MLX runs it on inputs of other shapes than those that it was exported with."""

    version: str
    shapeless: bool
    metadata: str
    graph: Graph


def read(path: str | Path) -> Exported:
    """The one function that a file holds. Raises `InputError` for a file that cannot be read, or of several functions.

    Raises `NoProgram` for a custom kernel, whose source has no definition in double.
    """
    try:
        if not os.stat(path).st_size:
            raise InputError(f"{path}: the file is empty; expected what mx.export_function writes")
        data = np.asarray(np.memmap(path, np.uint8, "r"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a .mlxfn file") from error
    try:
        return _Reader(str(path), data).exported()
    except (_Broken, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the file is truncated or no .mlxfn file ({error}); export the function again"
        ) from error


class _Broken(Exception):
    """The bytes do not make a function."""


class _Reader:
    def __init__(self, path: str, data: np.ndarray) -> None:
        self.path, self.data, self.at, self.version = path, data, 0, VERSION

    def exported(self) -> Exported:
        version = self.text()
        if not version.replace(".", "").replace("dev", "").replace("+", "").isalnum():
            raise _Broken("it begins with no version of MLX")
        if version not in VERSIONS:
            raise InputError(
                f"{self.path}: exported by MLX {version}, expected one of {', '.join(VERSIONS)}: versions differ in "
                "what they write; export it again with one of these"
            )
        self.version = version
        count, shapeless = self.number("i"), bool(self.number("?"))
        metadata = "" if self.before(METADATA) else self.text()
        if count != 1:
            raise InputError(f"{self.path}: holds {count} functions, expected one; export each to a file of its own")
        graph = self.function()
        if self.at != self.data.size:
            raise _Broken(f"{self.data.size - self.at} bytes behind the function")
        return Exported(version, shapeless, metadata, graph)

    def function(self) -> Graph:
        graph = Graph()
        keywords = [self.text() for _ in range(self.number("Q"))]
        graph.inputs = self.names()
        if self.number("Q") != len(graph.inputs):
            raise _Broken("inputs without shapes")
        for name in graph.inputs:
            graph.said[name] = self.output()
        graph.keywords = dict(zip(keywords, graph.inputs[len(graph.inputs) - len(keywords) :], strict=True))
        graph.outputs = self.names()
        for _ in range(self.number("Q")):
            name = self.name()
            if self.number("?"):
                self.primitive(name, graph)
            elif self.number("?") and name not in graph.constants:
                graph.said[name] = output = self.output()
                graph.constants[name] = self.array(output)
        if any(name not in graph.said for name in graph.outputs):
            raise _Broken("an output that nothing makes")
        return graph

    def primitive(self, output: str, graph: Graph) -> None:
        inputs = self.names()
        self.take(12)  # the stream: its number, the kind of its device and the device's number
        name = self.text()
        if name in OPAQUE:
            raise NoProgram(f"{self.path}: the primitive {name} has no definition in double: {advice(name)}")
        arguments = self.state(name)
        if siblings := self.number("Q"):
            outputs = self.names()
            shapes = [self.numbers("i") for _ in range(self.number("Q"))]
            dtypes = [self.dtype() for _ in range(self.number("Q"))]
            if not len(outputs) == len(shapes) == len(dtypes) == siblings + 1:
                raise _Broken("outputs without shapes")
            said = [Output(tuple(shape), dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        else:
            outputs, said = [output], [self.output()]
        if any(taken not in graph.said for taken in inputs):
            raise _Broken("an input that nothing makes")
        graph.said.update(zip(outputs, said, strict=True))
        graph.calls.append(Call(name, arguments, tuple(inputs), tuple(outputs)))

    def state(self, name: str) -> tuple[Any, ...]:
        kinds = STATES.get(name, "")
        since, place, without = LATER.get(name, (VERSIONS[0], 0, None))
        if not self.before(since):
            return tuple(self.field(kind) for kind in kinds)
        fields = [self.field(kind) for kind in kinds[:place] + kinds[place + 1 :]]
        return (*fields[:place], without, *fields[place:])

    def before(self, version: str) -> bool:
        """Whether the file is of an older MLX."""
        return VERSIONS.index(self.version) < VERSIONS.index(version)

    def take(self, count: int) -> np.ndarray:
        if count > self.data.size - self.at:
            raise _Broken(f"it ends in the middle of a field at byte {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")).tobytes())[0]

    def numbers(self, code: str) -> list[int]:
        count = self.number("Q")
        return list(struct.unpack(f"<{count}{code}", self.take(count * struct.calcsize(f"<{code}")).tobytes()))

    def text(self) -> str:
        return self.take(self.number("Q")).tobytes().decode()

    def name(self) -> str:
        return str(self.number("Q"))

    def names(self) -> list[str]:
        return [str(number) for number in self.numbers("Q")]

    def dtype(self) -> str:
        number, _ = self.number("i"), self.number("B")
        if not 0 <= number < len(DTYPES):
            raise _Broken(f"no dtype has the number {number}")
        return DTYPES[number]

    def output(self) -> Output:
        shape = tuple(self.numbers("i"))
        if any(length < 0 for length in shape):
            raise _Broken(f"an array of shape {shape}")
        return Output(shape, self.dtype())

    def array(self, output: Output) -> np.ndarray:
        stored = np.dtype(np.uint16 if output.dtype == "bfloat16" else output.dtype)
        values = np.frombuffer(self.take(math.prod(output.shape) * stored.itemsize).tobytes(), stored)
        if output.dtype == "bfloat16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.reshape(output.shape)

    def field(self, kind: str) -> Any:
        if kind in "vlZ":
            return self.numbers({"v": "i", "l": "q", "Z": "Q"}[kind])
        if kind in "st":
            return self.text() if kind == "s" else self.dtype()
        return self.number({"b": "?", "i": "i", "z": "Q", "f": "f", "d": "d"}[kind])
