"""Elementwise functions agree with MLX's within the bound, on grids and at edge values."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.exact.operations import special
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import EDGES, INTEGERS, few, floats, integers, many, shapes

Function = Callable[..., np.ndarray]


def grid(low: float, high: float, count: int = 20_000) -> np.ndarray:
    """Numbers spread evenly, and evenly by their order of magnitude, between two numbers."""
    even = np.linspace(low, high, count)
    sizes = np.geomspace(1e-37, max(abs(low), abs(high)), count)
    both = np.concatenate([even, sizes, -sizes, np.zeros(1)])
    return both[(both >= low) & (both <= high)].astype(np.float32)


ONE = {
    "sigmoid": (special.sigmoid, -88, 88),
    "erfinv": (special.erfinv, -0.99999, 0.99999),
    "rsqrt": (special.rsqrt, 1e-30, 1e30),
    "log1p": (special.log1p, -0.9999, 1e30),
    "expm1": (special.expm1, -88, 88),
    "round": (special.round_half_even, -1e9, 1e9),
    "sign": (special.sign, -1, 1),
}


@pytest.mark.parametrize("name", ONE)
def test_on_a_dense_grid(name: str) -> None:
    definition, low, high = ONE[name]
    x = grid(low, high)
    within(real(getattr(mx, name), x), definition, [x], apart=True, flushed=name == "sigmoid")


@pytest.mark.parametrize("name", ONE)
def test_half_precision_is_within_its_own_ulp(name: str) -> None:
    definition, low, high = ONE[name]
    # MLX's sigmoid rounds exp(|x|) to half precision, which overflows above 11.
    end = 11 if name == "sigmoid" else 6e4
    x = grid(max(low, -end), min(high, end)).astype(np.float16)
    within(real(getattr(mx, name), x), definition, [x], dtype="float16", apart=True)


def test_erf_is_within_nine_times_two_to_the_minus_24() -> None:
    """MLX's kernel bounds the absolute error, so that near 0 the relative one is any: measured 8.3 · 2^-24."""
    x = grid(-6, 6)
    found = real(mx.erf, x)
    assert np.abs(found - special.erf(x.astype(np.float64))).max() <= 9 * 2.0**-24
    assert np.abs(found - special.erf(x * 1.000002)).max() > 9 * 2.0**-24


EDGE = ["sigmoid", "erfinv", "rsqrt", "log1p", "sign", "round"]


@pytest.mark.parametrize("name", EDGE)
def test_at_edge_values(name: str) -> None:
    x = np.array(EDGES, np.float32)
    x = x[np.abs(x) != np.float32(1e-45)] if name == "erfinv" else x
    within(real(getattr(mx, name), x), ONE[name][0], [x], apart=True, flushed=True)


TWO = {
    "logaddexp": special.logaddexp,
    "remainder": special.remainder,
    "floor_divide": special.floor_divide,
    "maximum": special.maximum,
    "minimum": special.minimum,
}


@pytest.mark.parametrize("name", TWO)
@given(st.data())
@few
def test_functions_of_two(name: str, data: st.DataObject) -> None:
    shape = data.draw(shapes())
    a, b = data.draw(floats(shape, edges=True)), data.draw(floats(shape, edges=True))
    if name in ("remainder", "floor_divide"):
        # A quotient that rounds to an integer in float32 is another one in double.
        a, b = (np.round(np.where(np.abs(each) < 1e3, each, 7) * 4) / 4 for each in (a, b))
        a, b = a.astype(np.float32), b.astype(np.float32)
        np.testing.assert_array_equal(real(getattr(mx, name), a, b), TWO[name](a.astype(float), b.astype(float)))
    else:
        within(real(getattr(mx, name), a, b), TWO[name], [a, b], apart=True, flushed=name == "logaddexp")


@pytest.mark.parametrize("name", ["remainder", "floor_divide", "power"])
@pytest.mark.parametrize("dtype", INTEGERS)
@given(st.data())
@few
def test_integers(name: str, dtype: str, data: st.DataObject) -> None:
    shape = data.draw(shapes(1, 1))
    a = data.draw(integers(dtype, shape, 0 if dtype[0] == "u" else -50, 50))
    b = data.draw(integers(dtype, shape, 0 if dtype[0] == "u" else -7, 7))
    if name != "power":
        b = np.where(b == 0, 3, b).astype(dtype)
    found = getattr(special, name)(a, b)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, real(getattr(mx, name), a, b))


def test_an_integer_by_zero_is_zero_and_the_sign_of_a_remainder_is_that_of_the_divisor() -> None:
    assert special.remainder(np.array([7, -7]), np.array([0, 0])).tolist() == [0, 0]
    assert special.floor_divide(np.array([7]), np.array([0])).tolist() == [0]
    quotient, rest = special.divmod(np.array([7, -7, 7, -7]), np.array([3, 3, -3, -3]))
    assert quotient.tolist() == [2, -3, -3, 2]
    assert rest.tolist() == [1, 2, -2, -1]


@given(floats(shapes(1), 1e-3, 50), st.floats(-5, 5, width=32))
@many
def test_power_of_floats(base: np.ndarray, exponent: float) -> None:
    b = np.full(base.shape, exponent, np.float32)
    within(real(mx.power, base, b), special.power, [base, b], apart=True, flushed=True)


@given(floats(shapes(1), -1000, 1000), st.integers(-2, 3))
@many
def test_rounding_to_decimals(x: np.ndarray, decimals: int) -> None:
    def definition(x: np.ndarray) -> np.ndarray:
        return special.round_half_even(x, decimals)

    scaled = x.astype(np.float64) * 10.0**decimals
    clear = np.abs(scaled - np.floor(scaled) - 0.5) > 1e-3
    within(real(mx.round, x, decimals)[clear], lambda: definition(x.astype(np.float64))[clear], [])


def test_rounding_ties_go_to_even() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32)
    np.testing.assert_array_equal(special.round_half_even(x), real(mx.round, x))
    assert (
        special.round_half_even(np.array([15, 25, -15], np.int32), -1).tolist()
        == real(mx.round, np.array([15, 25, -15], np.int32), -1).tolist()
    )


def test_complex_numbers() -> None:
    z = np.array([3 - 4j, 0, -1e-3j, 1e20 + 1e20j], np.complex64)
    within(real(mx.sign, z), special.sign, [z], apart=True)
    other = np.array([3 + 1j, 2, -1j, 1e20], np.complex64)
    np.testing.assert_array_equal(special.maximum(z, other), real(mx.maximum, z, other))
    z, other = z[:3], other[:3]
    within(real(mx.logaddexp, z, other), special.logaddexp, [z, other], apart=True, ulps=8)
