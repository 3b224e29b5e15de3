"""What is one call of NumPy in double is within the bound of MLX's kernel, on dense grids and at edge values."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import EDGES, INTEGERS, few, floats, integers, normals, shapes
from tests.exact.operations.test_special import grid

ONE = {
    "abs": (-1e30, 1e30),
    "arccos": (-1, 1),
    "arccosh": (1, 1e10),
    "arcsin": (-1, 1),
    "arcsinh": (-1e10, 1e10),
    "arctan": (-1e10, 1e10),
    "arctanh": (-0.99999, 0.99999),
    "ceil": (-1e9, 1e9),
    "cos": (-100, 100),
    "cosh": (-80, 80),
    "exp": (-87, 88),
    "floor": (-1e9, 1e9),
    "log": (0, 1e30),
    "log10": (0, 1e30),
    "log2": (0, 1e30),
    "negative": (-1e30, 1e30),
    "reciprocal": (-1e30, 1e30),
    "sin": (-100, 100),
    "sinh": (-80, 80),
    "sqrt": (0, 1e30),
    "square": (-1e15, 1e15),
    "tan": (-100, 100),
    "tanh": (-20, 20),
    "trunc": (-1e9, 1e9),
}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_on_a_dense_grid(name: str, dtype: str) -> None:
    end = 6e4 if dtype == "float16" else np.inf
    low, high = ONE[name]
    x = grid(max(low, -end), min(high, end)).astype(dtype)
    within(real(getattr(mx, name), x), getattr(np, name), [x], dtype=dtype, apart=True, flushed=True)


@pytest.mark.parametrize("name", [name for name in ONE if name not in ("cosh", "exp", "sinh", "tan")])
def test_at_edge_values(name: str) -> None:
    """Without large arguments of sin, cos and tan, whose last bits are their result."""
    x = np.array([each for each in EDGES if name not in ("sin", "cos") or abs(each) < 1e5], np.float32)
    x = x if name in ("abs", "negative", "sqrt") else np.where(np.abs(x) < 2.0**-126, np.sign(x) * 0, x)
    within(real(getattr(mx, name), x.astype(np.float32)), getattr(np, name), [x.astype(np.float32)], apart=True)


def test_the_exponential_ends_at_88() -> None:
    """MLX's kernel gives ∞ above 88 and 0 below -88, though single precision reaches from -103 to 88.7."""
    x = np.array([88.01, -88.01, np.inf, -np.inf, np.nan, 0.0], np.float32)
    np.testing.assert_array_equal(real(mx.exp, x), [np.inf, 0, np.inf, 0, np.nan, 1])


TWO = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "arctan2"]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or"]


@pytest.mark.parametrize("name", TWO)
@given(st.data())
@few
def test_functions_of_two(name: str, data: st.DataObject) -> None:
    shape = data.draw(shapes(empty=True))
    a, b = data.draw(floats(shape, edges=True)), data.draw(floats(shape, edges=True))
    within(real(getattr(mx, name), a, b), getattr(np, name), [a, b], apart=True)


@pytest.mark.parametrize("name", COMPARISONS)
@given(st.data())
@few
def test_comparisons(name: str, data: st.DataObject) -> None:
    shape = data.draw(shapes(empty=True))
    a, b = np.round(data.draw(floats(shape, -2, 2, edges=True))), np.round(data.draw(floats(shape, -2, 2, edges=True)))
    np.testing.assert_array_equal(real(getattr(mx, name), a, b), getattr(np, name)(a, b))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum", "minimum", "bitwise_and", "bitwise_xor"])
@given(st.data())
@few
def test_integers_wrap_around(name: str, data: st.DataObject) -> None:
    dtype, shape = data.draw(st.sampled_from(INTEGERS)), data.draw(shapes())
    a, b = data.draw(integers(dtype, shape)), data.draw(integers(dtype, shape))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(real(getattr(mx, name), a, b), getattr(np, name)(a, b))


@given(st.data())
@few
def test_sums_and_products_of_matrices(data: st.DataObject) -> None:
    a, b = data.draw(normals((2, 3, 7))), data.draw(normals((7, 4)))
    within(real(mx.matmul, a, b), lambda: a.astype(np.float64) @ b, [], terms=7, total=np.abs(a) @ np.abs(b))
    within(real(mx.sum, a, -1), lambda: a.astype(np.float64).sum(-1), [], terms=7, total=np.abs(a).sum(-1))


def test_another_function_is_rejected() -> None:
    """Each of these is near the right one."""
    x = grid(0.1, 2)
    for name, wrong in [
        ("tanh", lambda x: np.tanh(x * (1 + 1e-5))),
        ("exp", lambda x: np.exp(x) + 1e-5),
        ("log", lambda x: np.log(x + 1e-6)),
        ("sqrt", lambda x: np.sqrt(x + 1e-6)),
    ]:
        within(real(getattr(mx, name), x), getattr(np, name), [x], apart=True)
        with pytest.raises(AssertionError, match="times the bound"):
            within(real(getattr(mx, name), x), wrong, [x], apart=True)
