"""Calls of MLX whose graphs hold each primitive, on inputs that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.exact.operations.strategies import floats, integers, shapes


@dataclass
class Case:
    """A function and its inputs. `terms` are those of a sum; below 0 their size is bounded by that of the inputs.

    `ulps` stands in for the bound's 4, `apart` is the bound's. `shapeless`: exported for any shapes.
    """

    function: Callable[..., Any]
    inputs: Sequence[np.ndarray]
    terms: int = 0
    apart: bool = False
    ulps: float = 4.0
    shapeless: bool = False


Draw = Callable[[Any], Case]
CASES: dict[str, Draw] = {}


def case(name: str) -> Callable[[Draw], Draw]:
    def enter(draw: Draw) -> Draw:
        CASES[name] = draw
        return draw

    return enter


def _unary(name: str, function: Callable[..., Any], low: float, high: float, ulps: float = 4.0) -> None:
    CASES[name] = lambda data: Case(function, [data.draw(floats(shapes(), low, high))], apart=True, ulps=ulps)


for _name, _function, _low, _high in [
    ("Abs", mx.abs, -9, 9),
    ("ArcCos", mx.arccos, -0.99, 0.99),
    ("ArcCosh", mx.arccosh, 1.01, 99),
    ("ArcSin", mx.arcsin, -0.99, 0.99),
    ("ArcSinh", mx.arcsinh, -9, 9),
    ("ArcTan", mx.arctan, -9, 9),
    ("ArcTanh", mx.arctanh, -0.99, 0.99),
    ("Ceil", mx.ceil, -9, 9),
    ("Cos", mx.cos, -9, 9),
    ("Cosh", mx.cosh, -9, 9),
    ("ErfInv", mx.erfinv, -0.99, 0.99),
    ("Exp", mx.exp, -20, 20),
    ("Expm1", mx.expm1, -20, 20),
    ("Floor", mx.floor, -9, 9),
    ("Log1p", mx.log1p, -0.9, 99),
    ("Negative", mx.negative, -9, 9),
    ("Round", mx.round, -9, 9),
    ("Sigmoid", mx.sigmoid, -20, 20),
    ("Sign", mx.sign, -9, 9),
    ("Sin", mx.sin, -9, 9),
    ("Sinh", mx.sinh, -9, 9),
    ("Square", mx.square, -9, 9),
    ("Tan", mx.tan, -1.5, 1.5),
    ("Tanh", mx.tanh, -9, 9),
]:
    _unary(_name, _function, _low, _high)


def _binary(name: str, function: Callable[..., Any], low: float = -9, high: float = 9) -> None:
    def draw(data: Any) -> Case:
        a, b = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)).input_shapes
        return Case(function, [data.draw(floats(a, low, high)), data.draw(floats(b, low, high))], apart=True)

    CASES[name] = draw


for _name, _function in [
    ("Add", mx.add),
    ("ArcTan2", mx.arctan2),
    ("Greater", mx.greater),
    ("GreaterEqual", mx.greater_equal),
    ("Less", mx.less),
    ("LessEqual", mx.less_equal),
    ("Equal", mx.equal),
    ("NotEqual", mx.not_equal),
    ("LogAddExp", mx.logaddexp),
    ("Maximum", mx.maximum),
    ("Minimum", mx.minimum),
    ("Multiply", mx.multiply),
    ("Subtract", mx.subtract),
    ("LogicalAnd", mx.logical_and),
    ("LogicalOr", mx.logical_or),
]:
    _binary(_name, _function)
_binary("Divide", mx.divide, 0.1, 9)
_binary("Power", mx.power, 0.1, 3)


def _integers(name: str, function: Callable[..., Any]) -> None:
    def draw(data: Any) -> Case:
        dtype = data.draw(st.sampled_from(["int8", "int32", "int64", "uint8", "uint32"]))
        shape = data.draw(shapes())
        a = data.draw(integers(dtype, shape))
        return Case(function, [a, data.draw(integers(dtype, shape, 1, 7))])

    CASES[name] = draw


_integers("FloorDivide", mx.floor_divide)
_integers("Remainder", mx.remainder)
_integers("DivMod", lambda a, b: list(mx.divmod(a, b)))
_BITWISE = (mx.bitwise_and, mx.bitwise_or, mx.bitwise_xor, mx.left_shift, mx.right_shift)
CASES["BitwiseBinary"] = lambda data: Case(
    data.draw(st.sampled_from(_BITWISE)),
    [data.draw(integers("uint32", (4,))), data.draw(integers("uint32", (4,), 0, 31))],
)
CASES["LogicalNot"] = lambda data: Case(mx.logical_not, [data.draw(hnp.arrays(bool, shapes()))])
CASES["Sqrt"] = lambda data: Case(
    data.draw(st.sampled_from((mx.sqrt, mx.rsqrt))), [data.draw(floats(shapes(), 0.01, 99))], apart=True
)
CASES["Log"] = lambda data: Case(
    data.draw(st.sampled_from((mx.log, mx.log2, mx.log10))), [data.draw(floats(shapes(), 0.01, 99))], apart=True
)


@case("AsType")
def astype(data: Any) -> Case:
    have = data.draw(st.sampled_from(["float32", "int32", "uint8", "bool"]))
    want = data.draw(st.sampled_from([mx.float16, mx.bfloat16, mx.int8, mx.uint16]))
    x = data.draw(floats(shapes(), 0, 99) if have == "float32" else integers(have, shapes(), 0, 999))
    return Case(lambda x: x.astype(want), [x], ulps=0)


@case("Select")
def select(data: Any) -> Case:
    shape = data.draw(shapes(1))
    condition, a = data.draw(hnp.arrays(bool, shape)), data.draw(floats(shape))
    return Case(mx.where, [condition, a, data.draw(floats(shape[-1:]))], ulps=0)


@case("Erf")
def erf(data: Any) -> Case:
    """Its absolute error is bounded, by 9 · 2^-24."""
    return Case(mx.erf, [data.draw(floats(shapes(), 1, 4))], apart=True, ulps=12)


def _complex(name: str, function: Callable[..., Any]) -> None:
    def draw(data: Any) -> Case:
        shape = data.draw(shapes(1))
        return Case(lambda a, b: function(a + 1j * b), [data.draw(floats(shape)), data.draw(floats(shape))], ulps=0)

    CASES[name] = draw


_complex("Conjugate", mx.conjugate)
_complex("Real", mx.real)
_complex("Imag", mx.imag)


# Shapes


def _moves(name: str, least: int, function: Callable[[Any, np.ndarray], Callable[..., Any]]) -> None:
    def draw(data: Any) -> Case:
        x = data.draw(floats(shapes(least, 4, 4)))
        return Case(function(data, x), [x], ulps=0)

    CASES[name] = draw


def _axis(data: Any, x: np.ndarray) -> int:
    return int(data.draw(st.integers(-x.ndim, x.ndim - 1)))


_moves("Reshape", 1, lambda data, x: lambda x: mx.reshape(x, (-1, x.shape[-1])))
_moves("Flatten", 2, lambda data, x: lambda x: mx.flatten(x, -2, -1))
_moves("ExpandDims", 1, lambda data, x: lambda x: mx.expand_dims(x, (0, -1)))
_moves("Transpose", 1, lambda data, x: (lambda axes: lambda x: mx.transpose(x, axes))(_permuted(data, x)))
_moves("Broadcast", 1, lambda data, x: lambda x: mx.broadcast_to(x, (3, *x.shape)))
_moves("Depends", 1, lambda data, x: lambda x: mx.depends([x], [x + 1])[0])
_moves("Pad", 2, lambda data, x: lambda x: mx.pad(x, [(1, 2)] + [(0, 1)] * (x.ndim - 1), constant_values=7.0))
_moves("AsStrided", 2, lambda data, x: lambda x: mx.as_strided(x, (2, 3), (0, 1), 0)[:, : min(3, x.size)])
_moves("Concatenate", 1, lambda data, x: (lambda axis: lambda x: mx.concatenate([x, -x], axis))(_axis(data, x)))
_moves("Sort", 1, lambda data, x: (lambda axis: lambda x: mx.sort(x, axis))(_axis(data, x)))
_moves("ArgSort", 1, lambda data, x: (lambda axis: lambda x: mx.argsort(x, axis))(_axis(data, x)))


def _permuted(data: Any, x: np.ndarray) -> list[int]:
    return list(data.draw(st.permutations(range(x.ndim))))


CASES["AsStrided"] = lambda data: Case(lambda x: mx.as_strided(x, (2, 3), (1, 2), 1), [data.draw(floats((8,)))], ulps=0)
CASES["Unflatten"] = lambda data: Case(lambda x: mx.unflatten(x, 1, (2, -1)), [data.draw(floats((3, 6)))], ulps=0)
CASES["Squeeze"] = lambda data: Case(lambda x: mx.squeeze(x, (0, 2)), [data.draw(floats((1, 3, 1)))], ulps=0)
CASES["Full"] = lambda data: Case(lambda x: mx.full((2, 3), x), [data.draw(floats((3,)))], ulps=0)
CASES["View"] = lambda data: Case(lambda x: x.view(mx.int8), [data.draw(integers("uint32", (2, 3)))])
CASES["BroadcastAxes"] = lambda data: Case(
    mx.matmul, [data.draw(floats((3, 2, 4))), data.draw(floats((1, 4, 2)))], terms=4, shapeless=True
)


@case("Split")
def split(data: Any) -> Case:
    x = data.draw(floats((6, 4)))
    cut = data.draw(st.sampled_from([2, 3, [1, 4], [2]]))
    return Case(lambda x: list(mx.split(x, cut, 0)), [x], ulps=0)


@case("Arange")
def arange(data: Any) -> Case:
    start, count = data.draw(st.integers(-5, 5)), data.draw(st.integers(1, 6))
    step = data.draw(st.sampled_from([1, 2, -1, 0.5]))
    return Case(lambda x: x[:1] + mx.arange(start, start + count * step, step), [data.draw(floats((2,)))])
