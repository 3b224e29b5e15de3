"""The two scripts of a departure: each side's operations as its framework's own calls, about twenty lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from parity.base.errors import InputError
from parity.exact.places import Place
from parity.exact.primitives import TABLE
from parity.exact.primitives import spelling as primitives
from parity.exact.program import Node
from parity.exact.standin import spelling as standin
from parity.match.arrangement import Arrangement, from_axes
from parity.match.moves import plain
from parity.prove.repro.piece import Part, Piece

EXPECTED, PORT = "expected.npy", "port.npy"
REFERENCE, CANDIDATE = "reference.py", "candidate.py"
_AXES = 5
_ELEMENTWISE = ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "greater", "less")
SCALE = "np.sqrt(np.mean(np.abs(expected) ** 2))"


@dataclass
class Script:
    """One script, and the arrays that it loads, by file."""

    text: str = ""
    files: dict[str, np.ndarray] = field(default_factory=dict)


def scripts(piece: Piece) -> tuple[Script, Script]:
    """Both scripts: in double, and as the port runs. Raises `InputError` where what departs has no spelling."""
    files = _Files()
    ours = _Writer(piece.reference, files).written(_torch_head(piece), _torch_tail())
    in_torch = _is_torch(piece.candidate)
    head, tail = (_torch_port(piece) if in_torch else _mlx_head(piece)), _port_tail(piece, in_torch)
    theirs = _Writer(piece.candidate, files, piece.same).written(head, tail)
    values = {EXPECTED: piece.expected, PORT: piece.port}
    return Script(ours, files.arrays | values), Script(theirs)


class _Files:
    """Names of arrays, the same for both sides where one holds what the other does."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.of: dict[int, str] = {}

    def add(self, number: int, array: np.ndarray, weight: bool, reference: bool) -> str:
        kind = "weight" if weight else "input"
        count = sum(name.startswith(kind) for name in self.arrays)
        name = f"{kind}_{count}.npy"
        self.arrays[name] = np.ascontiguousarray(array)
        if reference:
            self.of[number] = name
        return name


class _Writer:
    """The lines of one side."""

    def __init__(self, part: Part, files: _Files, same: dict[int, tuple[int, Arrangement]] | None = None) -> None:
        """`same` is what the port takes that the reference takes as well; None for the reference."""
        self.part, self.files, self.same, self.reference = part, files, same or {}, same is None
        self.torch = _is_torch(part)
        self.names: dict[int, str] = {}
        self.counts: Counter[str] = Counter()

    def written(self, head: list[str], tail: list[str]) -> str:
        """The whole script."""
        lines = [*head, *(line for number in self.part.taken for line in self._load(number)), ""]
        for node in self.part.nodes:
            lines += self._call(node)
        return "\n".join([*lines, f"made = {self.names[self.part.result]}", "", *tail]) + "\n"

    def _load(self, number: int) -> Iterator[str]:
        array, said = self.part.values[number], self.part.name(number)
        dtype = self.part.program.dtypes.get(number, "float32")
        fill = self.part.number(number)
        if fill is not None and (not array.ndim or self._beside_others(number)):
            self.names[number] = repr(fill)
            return
        weight = number in self.part.static
        name = self.names[number] = self._new("w" if weight else "x")
        if fill is not None:
            made = f"torch.full({array.shape}, {fill!r})" if self.torch else f"mx.full({array.shape}, {fill!r})"
        else:
            text = self._file(number, array, weight)
            made = f"torch.from_numpy({text}.copy())" if self.torch else f"mx.array({text}, mx.{_mlx(dtype)})"
        yield f"{name} = {made}" + (f"  # {said}" if said else "")

    def _file(self, number: int, array: np.ndarray, weight: bool) -> str:
        """The array as it is loaded: the reference's where the port takes the same."""
        other, arrangement = self.same.get(number, (None, None))
        if other in self.files.of and arrangement is not None:
            file = self.files.of[other]
            return f'np.load("{file}"){_turning(arrangement, self.files.arrays[file].shape, array.shape)}'
        return f'np.load("{self.files.add(number, array, weight, self.reference)}")'

    def _beside_others(self, number: int) -> bool:
        """A number may stand for the array: all that takes it works on each element by itself, beside another array."""
        users = [node for node in self.part.nodes if number in node.inputs]
        return all(
            plain(node.operation) in _ELEMENTWISE and any(self.part.number(one) is None for one in node.inputs)
            for node in users
        )

    def _new(self, letter: str) -> str:
        self.counts[letter] += 1
        return f"{letter}{self.counts[letter]}"

    def _call(self, node: Node) -> Iterator[str]:
        taken = [self.names[number] for number in node.inputs]
        outputs = [self._new("y") for _ in node.outputs]
        self.names.update(zip(node.outputs, outputs, strict=True))
        text, place = self._spelled(node, taken), _place(node.place)
        if text is None:
            if self.part.result in node.outputs:
                raise InputError(f"{node.operation} gives what departs, and no one call of its framework is the same")
            yield f"# {node.operation} is no one call: its results are loaded, as computed in NumPy in double"
            for number, name in zip(node.outputs, outputs, strict=True):
                file = self.files.add(number, self.part.values[number], False, False)
                loaded = f'np.load("{file}")'
                yield f"{name} = " + (f"torch.from_numpy({loaded})" if self.torch else f"mx.array({loaded})")
            return
        yield f"{', '.join(outputs)} = {text}" + (f"  # {place}" if place else "")

    def _spelled(self, node: Node, taken: list[str]) -> str | None:
        if self.torch:
            from parity.exact.torch import spelling

            return spelling.spelled(node, taken)
        if node.operation in TABLE:
            return primitives.spelled(node, taken, self.part.program)
        return standin.spelled(node, taken)


def _is_torch(part: Part) -> bool:
    return all(node.operation.startswith(("aten.", "prims.")) for node in part.program.nodes)


def _turning(arrangement: Arrangement, reference: tuple[int, ...], candidate: tuple[int, ...]) -> str:
    """How the reference's array becomes the port's."""
    if arrangement.plain:
        return "" if reference == candidate else f".reshape({candidate})"
    for order in permutations(range(len(reference))) if len(reference) <= _AXES else ():
        turned = tuple(reference[axis] for axis in order)
        if from_axes(reference, order) == arrangement and turned == candidate:
            return f".transpose({', '.join(map(str, order))})"
    return f".reshape({arrangement.split}).transpose({arrangement.order}).reshape({candidate})"


def _mlx(dtype: str) -> str:
    return {"float64": "float32", "bool": "bool_"}.get(dtype, dtype)


def _place(place: Place | None) -> str:
    return "" if place is None else f"{place.file.rpartition('/')[2]}:{place.line}"


def _head(title: str, formula: str, imports: str) -> list[str]:
    return [f'"""{title}: {formula}"""', "", imports, ""]


def _torch_head(piece: Piece) -> list[str]:
    lines = _head("What the reference computes, in double", piece.explanation.reference.formula, _TORCH)
    return [*lines, "torch.set_default_dtype(torch.float64)"]


_TORCH, _MLX = "import numpy as np\nimport torch", "import mlx.core as mx\nimport numpy as np"


def _torch_port(piece: Piece) -> list[str]:
    lines = _head("What the port computes, in double", piece.explanation.candidate.formula, _TORCH)
    return [*lines, "torch.set_default_dtype(torch.float64)"]


def _mlx_head(piece: Piece) -> list[str]:
    return _head("What the port computes, from the same inputs", piece.explanation.candidate.formula, _MLX)


def _torch_tail() -> list[str]:
    return [
        f'expected = np.load("{EXPECTED}")',
        f"error = np.abs(made.numpy() - expected).max() / {SCALE}",
        'print(f"largest difference from expected.npy, of its RMS: {error:.3e}")',
    ]


def _port_tail(piece: Piece, in_torch: bool) -> list[str]:
    turning = _turning(piece.turned, piece.expected.shape, piece.port.shape)
    made = "made.numpy()" if in_torch else "np.array(made.astype(mx.float32), np.float64)"
    return [
        f"made = {made}",
        f'expected, port = np.load("{EXPECTED}"){turning}, np.load("{PORT}")',
        f"own, error = (np.abs(made - other).max() / {SCALE} for other in (port, expected))",
        'print(f"largest difference from port.npy, of the expected RMS: {own:.3e}")',
        'print(f"largest difference from expected.npy, of its RMS: {error:.3e}")',
    ]
