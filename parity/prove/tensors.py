"""The tensors of a side: what its module holds, and the constants of its program that no module owns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from parity.exact.program import Node, Program
from parity.match.audit import Made, Normed, Side, Tensor
from parity.match.audit.tensor import LEAST
from parity.match.moves import plain
from parity.prove.models import is_module

_OUTPUT_AXES = {"linear": 0, "addmm": 0, "conv1d": 0, "conv2d": 0, "conv3d": 0, "convolution": 0}
_OUTPUT_AXES |= {f"conv_transpose{n}d": 1 for n in (1, 2, 3)}
"""The axis of a weight that has the output channels, by PyTorch's operations. Groups of a transposed one stay apart."""


def side(model: Any, program: Program, restored: Collection[int] = ()) -> Side:
    """All tensors of a side: parameters and buffers of a module, and the constants of its program.

    A constant without a name is a weight where no module was given. One of few numbers is only ever a counterpart.
    `restored` are constants that were rounded, and in whose place the reference's values are taken.
    """
    needed, users = _needed(program), program.users()
    numbers = {constant.name: number for number, constant in program.constants.items() if constant.name}
    held = list(_of_module(model)) if is_module(model) else []
    tensors = []
    for paths, shape, dtype, read in held:
        number = next((numbers[path] for path in paths if path in numbers), None)
        taken = _taker(users, number)
        tensors.append(
            Tensor(paths[0], shape, dtype, read, number in needed, number=number, others=paths[1:], taken=taken)
        )
    owned = {path for paths, *_ in held for path in paths}
    for number, constant in program.constants.items():
        if constant.name in owned or constant.array.dtype.kind not in "fc" or not constant.array.size:
            continue
        dtype = constant.rounded or program.dtypes.get(number, "float32")
        array = _parts(constant.array)
        read = partial(np.asarray, array)
        told = _told(array)
        tensors.append(
            Tensor(
                constant.name,
                array.shape,
                dtype,
                read,
                number in needed,
                told and not held,
                number,
                told=told,
                restored=number in restored,
                taken=_taker(users, number),
            )
        )
    by_number = {tensor.number: tensor for tensor in tensors if tensor.number is not None}
    return Side(tensors, partial(_made, program, by_number), list(_norms(program, by_number)))


def _taker(users: Mapping[int, list[Node]], number: int | None) -> str:
    """The operation that takes a constant first: its module, its line and what stands there."""
    node = next(iter(users.get(-1 if number is None else number, ())), None)
    if node is None or node.place is None:
        return "" if node is None else node.module
    at = f"{node.place}: {node.place.text}" if node.place.text else str(node.place)
    return f"{node.module}, {at}" if node.module else at


Held = tuple[tuple[str, ...], tuple[int, ...], str, Callable[[], np.ndarray]]
"""Paths of one tensor of a module, its shape and dtype, and how its values are read."""


def _of_module(model: Any) -> Iterator[Held]:
    """What a checkpoint of the module holds. One tensor at several paths is one; complex ones are read as two parts."""
    torch = hasattr(model, "state_dict")
    arrays = dict(model.state_dict(keep_vars=True)) if torch else dict(_flat(model.parameters()))
    paths: dict[Any, list[str]] = {}
    for path, array in arrays.items():
        mark = (array.data_ptr(), tuple(array.shape), array.stride()) if torch and array.numel() else id(array)
        paths.setdefault(mark, []).append(path)
    for several in paths.values():
        array = arrays[several[0]]
        dtype = str(array.dtype).rpartition(".")[2]
        if dtype.startswith(("float", "bfloat", "complex", "int", "uint", "bool")):
            shape = (*array.shape, 2) if dtype.startswith("complex") else tuple(array.shape)
            yield tuple(several), shape, dtype, partial(_values, array)


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        inner = f"{path}{name}"
        if isinstance(value, dict | list | tuple):
            yield from _flat(value, f"{inner}.")
        elif hasattr(value, "dtype"):
            yield inner, value


def _values(array: Any) -> np.ndarray:
    """Where they lie; half precision is widened, into a copy."""
    if hasattr(array, "value"):  # the stand-in's
        return _parts(np.asarray(array.value))
    from parity.capture.runner import adapter

    view: np.ndarray = adapter("torch" if hasattr(array, "data_ptr") else "mlx").view(array)
    return _parts(view)


def _parts(array: np.ndarray) -> np.ndarray:
    """Real and imaginary parts along a last axis."""
    return np.stack([array.real, array.imag], axis=-1) if array.dtype.kind == "c" else array


def _told(array: np.ndarray) -> bool:
    return array.size >= LEAST and np.unique(array.ravel()[:4096]).size >= LEAST


def _needed(program: Program) -> set[int]:
    """The values that an output is made of."""
    needed = set(program.outputs)
    for node in reversed(program.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
    return needed


def _made(program: Program, tensors: Mapping[int, Tensor], sizes: Collection[int]) -> Iterator[Made]:
    """What the program makes of constants alone, two at least of one number each or one tensor."""
    values = {number: constant.array for number, constant in program.constants.items()}
    history: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
        number: ((tensors[number].name,) if number in tensors else (), ()) for number in values
    }
    for node in program.nodes:
        if not node.inputs or not all(number in values for number in node.inputs):
            continue
        made = node.compute(*(values[number] for number in node.inputs))
        sources = tuple(dict.fromkeys(name for number in node.inputs for name in history[number][0]))
        before = [name for number in node.inputs for name in history[number][1]]
        operations = tuple(dict.fromkeys([*before, plain(node.operation)]))
        for number, value in zip(node.outputs, made, strict=True):
            values[number], history[number] = value, (sources, operations)
            if sources and value.dtype.kind == "f" and value.size in sizes:
                yield Made(value, sources, operations)


def _norms(program: Program, tensors: Mapping[int, Tensor]) -> Iterator[Normed]:
    """Batch norms behind a linear operation whose weight is a tensor."""
    makers = program.makers()
    for node in program.nodes:
        if plain(node.operation) != "batch_norm" or len(node.inputs) not in (3, 5):
            continue
        before = makers.get(node.inputs[0])
        axis = _OUTPUT_AXES.get(plain(before.operation)) if before is not None else None
        if before is None or axis is None:
            continue
        weight, bias = _taken(before, 1, tensors), _taken(before, 2, tensors)
        own = [tensors.get(number) for number in node.inputs[1:]]
        gain, shift = own[:2] if len(own) == 4 else (None, None)
        mean, variance = own[-2:]
        grouped = axis == 1 and weight is not None and mean is not None and weight.shape[1] != mean.size
        if weight is not None and mean is not None and variance is not None and not grouped:
            eps = float(node.arguments.get("eps", 1e-5))
            yield Normed(weight, axis, bias, gain, shift, mean, variance, eps)


def _taken(node: Node, place: int, tensors: Mapping[int, Tensor]) -> Tensor | None:
    return tensors.get(node.inputs[place]) if place < len(node.inputs) else None
