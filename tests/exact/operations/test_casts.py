"""Casts give the values that MLX's `astype` gives; only narrowing ones round."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.base.errors import InputError
from parity.exact.operations.casts import cast, rounded, storage
from tests.exact.operations.real import real
from tests.exact.operations.strategies import EDGES, INTEGERS, floats, integers, many, shapes

NARROW = ["float16", "bfloat16"]


def astype(x: np.ndarray, *names: str) -> np.ndarray:
    def through(array: mx.array) -> mx.array:
        for name in names:
            array = array.astype(getattr(mx, name))
        return array

    return real(through, x)


@given(floats(shapes(1), -1e6, 1e6, edges=True), st.sampled_from(NARROW))
@many
def test_rounded_is_what_the_narrower_dtype_holds(x: np.ndarray, name: str) -> None:
    np.testing.assert_array_equal(rounded(x.astype(np.float64), name), astype(x, name, "float32"))


@given(st.lists(st.floats(width=64), min_size=1, max_size=5))
@many
def test_float32_is_rounded_as_numpy_rounds(values: list[float]) -> None:
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(rounded(np.array(values), "float32"), np.array(values).astype(np.float32))


def test_a_double_is_rounded_once() -> None:
    """The double lies above the middle of two bfloat16 numbers, its float32 on the middle."""
    above = 1 + 2.0**-8 + 2.0**-40
    assert rounded(np.array(above), "bfloat16") == 1 + 2.0**-7
    assert rounded(np.array(float(np.float32(above))), "bfloat16") == 1.0


def test_truncation_is_not_rounding() -> None:
    x = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    truncated = (x.view(np.uint32) & 0xFFFF0000).view(np.float32)
    actual = astype(x, "bfloat16", "float32")
    np.testing.assert_array_equal(rounded(x, "bfloat16"), actual)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(truncated, actual)


def test_complex_numbers_are_rounded_part_by_part() -> None:
    z = np.array([[1 / 3 - 2j / 3, complex(np.inf, -1 / 7)]])
    found = rounded(z, "float32")
    np.testing.assert_array_equal(found.real, z.real.astype(np.float32))
    np.testing.assert_array_equal(found.imag, z.imag.astype(np.float32))
    assert rounded(z[0, 0], "float32").shape == ()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_ties_go_to_even_and_what_is_too_large_becomes_infinite(name: str) -> None:
    bits = 10 if name == "float16" else 7
    half = 2.0 ** -(bits + 1)
    assert rounded(np.array([1 + half, 1 + 3 * half]), name).tolist() == [1.0, 1 + 4 * half]
    largest = 65504.0 if name == "float16" else (2 - 2.0**-7) * 2.0**127
    assert rounded(np.array([largest, largest * (1 + 2.0 ** -(bits + 1))]), name).tolist() == [largest, np.inf]


@given(st.data())
@many
def test_integers_wrap_around(data: st.DataObject) -> None:
    have, want = data.draw(st.sampled_from(INTEGERS)), data.draw(st.sampled_from([*INTEGERS, "bool_"]))
    x = data.draw(integers(have, shapes(1)))
    np.testing.assert_array_equal(cast(x, have, want), astype(x, want))


@given(floats(shapes(1), -(2.0**31) + 128, 2.0**31 - 128), st.sampled_from(["int32", "int64", "bool_"]))
@many
def test_floats_are_truncated_towards_zero(x: np.ndarray, want: str) -> None:
    np.testing.assert_array_equal(cast(x.astype(np.float64), "float32", want), astype(x, want))


@pytest.mark.parametrize("want", ["int8", "uint8", "int16", "uint16"])
def test_what_an_integer_cannot_hold_is_what_the_processor_gives(want: str) -> None:
    x = np.array([*EDGES, 300.0, -1.5, 3e9, 70000.0, 2.9], np.float32)
    np.testing.assert_array_equal(cast(x.astype(np.float64), "float32", want), astype(x, want))


@given(st.data())
@many
def test_integers_become_floats(data: st.DataObject) -> None:
    have, want = data.draw(st.sampled_from([*INTEGERS, "bool"])), data.draw(st.sampled_from(["float32", *NARROW]))
    x = data.draw(integers(have, shapes(1), -(2**16), 2**16))
    np.testing.assert_array_equal(cast(x, have, want), astype(x, want, "float32"))


def test_widening_leaves_a_double_as_it_is() -> None:
    x = np.array([1 / 3])
    for have, want in [
        ("float16", "float32"),
        ("float32", "float64"),
        ("bfloat16", "bfloat16"),
        ("float64", "float32"),
    ]:
        assert cast(x, have, want) == 1 / 3
    assert cast(x, "float32", "float16") != 1 / 3
    assert cast(x, "bfloat16", "float16") != 1 / 3
    assert cast(x, "float32", "complex64") == 1 / 3


def test_a_real_dtype_takes_the_real_part_of_a_complex_number() -> None:
    x = np.array([3.5 - 2j, 2j])
    assert cast(x, "complex64", "float32").tolist() == [3.5, 0.0]
    assert cast(x, "complex64", "int32").tolist() == [3, 0]
    assert cast(x, "complex64", "bool").tolist() == [True, True]
    np.testing.assert_array_equal(cast(x, "complex64", "bool"), astype(x.astype(np.complex64), "bool_"))


def test_a_name_that_is_no_dtype_is_refused() -> None:
    with pytest.raises(InputError, match="'float8' is no dtype"):
        storage("float8")
    with pytest.raises(InputError, match="got 'int8'"):
        rounded(np.zeros(1), "int8")
