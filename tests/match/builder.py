"""A tiny tracer on NumPy: programs by hand, as a recorder would give them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.exact.places import caller
from parity.exact.program import Constant, Node, Program


class Builder:
    """Records operations on `Value`s; `program` gives what was recorded."""

    def __init__(self) -> None:
        self.inputs: list[int] = []
        self.given: list[np.ndarray] = []
        self.constants: dict[int, Constant] = {}
        self.nodes: list[Node] = []
        self.arrays: dict[int, np.ndarray] = {}
        self.taps: dict[str, int] = {}
        self.module = ""

    def _value(self, array: np.ndarray) -> Value:
        number = len(self.arrays)
        self.arrays[number] = np.asarray(array)
        return Value(self, number)

    def input(self, array: np.ndarray) -> Value:
        value = self._value(array)
        self.inputs.append(value.number)
        self.given.append(value.array)
        return value

    def constant(self, array: object, name: str = "", rounded: str = "") -> Value:
        value = self._value(np.asarray(array))
        self.constants[value.number] = Constant(value.array, name, rounded)
        return value

    def run(self, operation: str, compute: Callable[..., np.ndarray], *inputs: object, **arguments: object) -> Value:
        values = [one if isinstance(one, Value) else self.constant(np.float64(one)) for one in inputs]
        made = self._value(compute(*(value.array for value in values)))
        self.nodes.append(
            Node(
                operation,
                tuple(value.number for value in values),
                (made.number,),
                lambda *arrays: (np.asarray(compute(*arrays)),),
                arguments,
                caller(__name__),
                self.module,
            )
        )
        return made

    def tap(self, name: str, value: Value) -> Value:
        self.taps[name] = value.number
        return value

    def program(self, *outputs: Value) -> Program:
        return Program(
            tuple(self.inputs), self.constants, tuple(self.nodes), tuple(one.number for one in outputs), self.taps
        )


class Value:
    """An array that a builder knows by its number."""

    def __init__(self, builder: Builder, number: int) -> None:
        self.builder, self.number = builder, number

    @property
    def array(self) -> np.ndarray:
        return self.builder.arrays[self.number]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __add__(self, other: object) -> Value:
        return self.builder.run("add", np.add, self, other)

    def __radd__(self, other: object) -> Value:
        return self.builder.run("add", np.add, other, self)

    def __sub__(self, other: object) -> Value:
        return self.builder.run("subtract", np.subtract, self, other)

    def __rsub__(self, other: object) -> Value:
        return self.builder.run("subtract", np.subtract, other, self)

    def __mul__(self, other: object) -> Value:
        return self.builder.run("multiply", np.multiply, self, other)

    def __rmul__(self, other: object) -> Value:
        return self.builder.run("multiply", np.multiply, other, self)

    def __truediv__(self, other: object) -> Value:
        return self.builder.run("divide", np.divide, self, other)

    def __rtruediv__(self, other: object) -> Value:
        return self.builder.run("divide", np.divide, other, self)

    def __matmul__(self, other: object) -> Value:
        return self.builder.run("matmul", np.matmul, self, other)

    def __neg__(self) -> Value:
        return self.builder.run("negative", np.negative, self)

    def reshape(self, *shape: int) -> Value:
        return self.builder.run("reshape", lambda x: x.reshape(shape), self, shape=shape)

    def transpose(self, *axes: int) -> Value:
        return self.builder.run("transpose", lambda x: x.transpose(axes), self, axes=axes)

    def mean(self, axis: int = -1) -> Value:
        return self.builder.run("mean", lambda x: x.mean(axis, keepdims=True), self, axis=axis)

    def sum(self, axis: int = -1) -> Value:
        return self.builder.run("sum", lambda x: x.sum(axis, keepdims=True), self, axis=axis)

    def part(self, start: int, stop: int, axis: int = -1) -> Value:
        def cut(x: np.ndarray) -> np.ndarray:
            place = [slice(None)] * x.ndim
            place[axis] = slice(start, stop)
            return x[tuple(place)]

        return self.builder.run("slice", cut, self, start=start, stop=stop, axis=axis)


def join(*values: Value, axis: int = -1) -> Value:
    return values[0].builder.run("concatenate", lambda *arrays: np.concatenate(arrays, axis), *values, axis=axis)
