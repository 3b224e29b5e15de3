"""Functions agree with MLX for any shape, axis and value: what is not a definition of `parity.exact.operations`."""

from __future__ import annotations

import math
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.exact.standin.both import STANDIN, compare, reported, to_numpy

EXAMPLES = settings(max_examples=25)
EDGES = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, 88.0, -88.0, 1e-30, 3e38, -3e38, 2.0**24)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, max_side=4)

ONE = {
    "exp": (-80, 80), "log": (1e-30, 1e30), "log2": (1e-30, 1e30), "log10": (1e-30, 1e30), "sqrt": (0, 1e30),
    "sin": (-100, 100), "cos": (-100, 100), "tan": (-1.5, 1.5), "sinh": (-20, 20), "cosh": (-20, 20), "tanh": (-20, 20),
    "arcsin": (-1, 1), "arccos": (-1, 1), "arctan": (-1e6, 1e6), "arcsinh": (-1e6, 1e6), "arccosh": (1, 1e6),
    "arctanh": (-0.999, 0.999), "reciprocal": (1e-30, 1e30), "degrees": (-1e6, 1e6), "radians": (-1e6, 1e6),
    "square": (-1e15, 1e15), "floor": (-1e6, 1e6), "ceil": (-1e6, 1e6), "trunc": (-1e6, 1e6), "abs": (-1e30, 1e30),
    "negative": (-1e30, 1e30), "isnan": (-1, 1), "isinf": (-1, 1), "isfinite": (-1, 1), "logical_not": (-1, 1),
}  # fmt: skip
ULPS = {
    "exp": 30,  # MLX's kernel on a CPU is off by up to 29 ulp for |x| <= 30
    "sinh": 40, "cosh": 40, "arcsinh": 8, "arccosh": 8, "arctanh": 16,
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
@EXAMPLES
@given(data=st.data())
def test_one_argument(name: str, data: st.DataObject) -> None:
    low, high = np.float32(ONE[name])
    inside = st.floats(float(low), float(high), width=32)
    x = data.draw(arrays.arrays(np.float32, SHAPES, elements=inside))
    compare(lambda m, a: getattr(m, name)(a), [x], ulps=ULPS.get(name, 4), apart=True, flushed=True)


@pytest.mark.parametrize("name", ONE)
def test_edge_values(name: str) -> None:
    """NaN, infinities, zeros and what is out of the domain."""
    x = np.array(EDGES, np.float32)
    theirs = to_numpy(getattr(mx, name)(mx.array(x)))
    ours = np.array(getattr(STANDIN, name)(STANDIN.array(x)))
    for value, our, their in zip(EDGES, ours, theirs, strict=True):
        if math.isfinite(their) and math.isfinite(our):
            assert (abs(our - float(their)) <= 1e-4 * max(1, abs(our))) or abs(value) >= 2.0**24, (value, our, their)
        elif abs(our) < float(np.finfo(np.float32).max):
            assert math.isnan(our) == math.isnan(their), (value, our, their)
            assert math.isnan(our) or our == their, (value, our, their)


TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "arctan2", "equal", "less", "greater_equal")


@pytest.mark.parametrize("name", TWO)
@EXAMPLES
@given(data=st.data())
def test_two_arguments_that_broadcast(name: str, data: st.DataObject) -> None:
    shapes = data.draw(arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    kinds = st.sampled_from([np.float32, np.int32, np.uint8, np.bool_, np.int64])
    operands = []
    for shape in shapes:
        kind = data.draw(kinds)
        elements = st.floats(-1e6, 1e6, width=32) if kind is np.float32 else None
        operands.append(data.draw(arrays.arrays(kind, shape, elements=elements)))
    compare(lambda m, a, b: getattr(m, name)(a, b), operands, flushed=True, terms=1, total=1e-30)


REDUCTIONS = ("sum", "mean", "prod", "max", "min", "var", "std", "logsumexp", "softmax", "all", "any")


@st.composite
def reduced(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    """A shape and an axis of it, several or all."""
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=3))
    axis = st.integers(-len(shape), len(shape) - 1)
    several = st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True)
    return shape, draw(st.one_of(st.none(), axis, several))


@pytest.mark.parametrize("name", REDUCTIONS)
@EXAMPLES
@given(reduced(), st.booleans(), st.integers(0, 2**31))
def test_reductions(name: str, case: tuple[tuple[int, ...], Any], keepdims: bool, seed: int) -> None:
    shape, axis = case
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    options = {} if name == "softmax" else {"keepdims": keepdims}
    compare(lambda m, a: getattr(m, name)(a, axis=axis, **options), [x], terms=math.prod(shape), total=1.0)


@st.composite
def moved(draw: st.DrawFn) -> tuple[tuple[int, ...], list[int], int, int]:
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=4))
    axis = st.integers(-len(shape), len(shape) - 1)
    return shape, draw(st.permutations(range(len(shape)))), draw(axis), draw(axis)


@EXAMPLES
@given(moved(), st.integers(0, 3))
def test_functions_that_move_elements(case: tuple[tuple[int, ...], list[int], int, int], count: int) -> None:
    shape, order, first, second = case
    calls = {
        "transpose": lambda m, a: m.transpose(a, order),
        "swapaxes": lambda m, a: m.swapaxes(a, first, second),
        "moveaxis": lambda m, a: m.moveaxis(a, first, second),
        "flip": lambda m, a: m.flip(a, first),
        "roll": lambda m, a: m.roll(a, count, first),
        "repeat": lambda m, a: m.repeat(a, count + 1, axis=first),
        "expand_dims": lambda m, a: m.expand_dims(a, first),
        "flatten": lambda m, a: m.flatten(a, *sorted([first % a.ndim, second % a.ndim])),
        "concatenate": lambda m, a: m.concatenate([a, a + 1], axis=first),
        "stack": lambda m, a: m.stack([a, a + 1], axis=first),
        "cumsum": lambda m, a: m.cumsum(a, axis=first, reverse=bool(count % 2)),
        "sort": lambda m, a: m.sort(a, axis=first),
        "argsort": lambda m, a: m.argsort(a, axis=first),
        "argmax": lambda m, a: m.argmax(a, axis=first, keepdims=bool(count % 2)),
        "pad": lambda m, a: m.pad(a, [(count, axis) for axis in range(a.ndim)]),
        "split": lambda m, a: m.split(a, [min(count, a.shape[first])], axis=first),
        "tril": lambda m, a: m.tril(a[None], count - 1),
        "diagonal": lambda m, a: m.diagonal(a[None, None], 0, 0, 1),
        "take": lambda m, a: m.take(a, m.array([0, -1]), axis=first),
        "as_strided": lambda m, a: m.as_strided(m.transpose(a, order), (a.size,), (1,)),
    }  # fmt: skip
    values = np.random.default_rng(0).permutation(math.prod(shape)).astype(np.float32).reshape(shape)
    for name, call in calls.items():
        ours, theirs = (call(m, m.array(values)) for m in (STANDIN, mx))
        pairs = [(ours, theirs)] if not isinstance(ours, list) else zip(ours, theirs, strict=True)
        for our, their in pairs:
            assert reported(our) == reported(their), name
            np.testing.assert_array_equal(np.array(our), to_numpy(their), err_msg=name)


@EXAMPLES
@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.sampled_from(["", "b", "both"]),
    st.booleans(),
)  # fmt: skip
def test_products(batch: int, rows: int, inner: int, columns: int, batched: str, turned: bool) -> None:
    random = np.random.default_rng(rows)
    a = random.normal(size=(batch, rows, inner) if batched else (rows, inner)).astype(np.float32)
    b = random.normal(size=(batch, inner, columns) if batched == "both" else (inner, columns)).astype(np.float32)
    bound = {"terms": inner, "total": 4.0 * inner}

    def call(m: Any, a: Any, b: Any) -> Any:
        if turned:
            a, b = b.swapaxes(-1, -2), a.swapaxes(-1, -2)
        return [m.matmul(a, b), m.addmm(m.ones(m.matmul(a, b).shape), a, b, 2.0, 0.5)]

    compare(call, [a, b], **bound)
