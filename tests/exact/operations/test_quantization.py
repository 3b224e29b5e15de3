"""Packed values stand for what MLX reads from them, and quantising gives MLX's codes."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.base.errors import InputError
from parity.exact.operations import quantization
from tests.exact.bounds import within
from tests.exact.operations.real import real
from tests.exact.operations.strategies import few, floats, integers, many, normals, shapes

AFFINE = [("affine", group, bits) for group in (32, 64, 128) for bits in (1, 2, 3, 4, 5, 6, 8)]
OTHERS = [("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)]
MODES = [*AFFINE, *OTHERS]


def named(mode: str, group: int, bits: int) -> dict[str, object]:
    return {"mode": mode, "group_size": group, "bits": bits}


def weights(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("mode", "group", "bits"), MODES)
def test_packed_values_are_read_as_mlx_reads_them(mode: str, group: int, bits: int) -> None:
    """Every code of every width, in words that are drawn as they are."""
    packed = np.random.default_rng(bits).integers(0, 2**32, (3, 128 * bits // 32), dtype=np.uint32)
    if mode == "affine":
        scales, biases = weights((3, 128 // group), 1), weights((3, 128 // group), 2)
    else:
        scales, biases = np.random.default_rng(1).integers(1, 120, (3, 128 // group), dtype=np.uint8), None
    arguments = named(mode, group, bits)
    actual = real(mx.dequantize, packed, scales, biases, dtype=mx.float32, **arguments)
    found = quantization.dequantize(packed, scales, biases, **arguments)
    top = np.abs(biases).max() + 256 * np.abs(scales).max() if mode == "affine" else 0.0
    within(actual, lambda: found, [], terms=2, total=top, flushed=True)
    codes = quantization.unpack(packed, bits)
    assert codes.max() < 2**bits
    np.testing.assert_array_equal(quantization.pack(codes, bits), packed)


@pytest.mark.parametrize(("mode", "group", "bits"), MODES)
def test_quantising_gives_the_same_codes(mode: str, group: int, bits: int) -> None:
    w = weights((2, 4, 256), bits)
    arguments = named(mode, group, bits)
    actual = real(mx.quantize, w, **arguments)
    found = quantization.quantize(w, **arguments)
    np.testing.assert_array_equal(found[0], actual[0])
    assert len(found) == len(actual)
    for one, other in zip(actual[1:], found[1:], strict=True):
        if mode == "affine":
            within(one, lambda other=other: other, [], terms=2, total=np.abs(w).max())
        else:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("mode", "group", "bits"), [("affine", 32, 1), ("affine", 32, 4), *OTHERS])
@pytest.mark.parametrize("value", [0.0, 2.0, -2.0])
def test_groups_of_one_value(mode: str, group: int, bits: int, value: float) -> None:
    w = np.full((2, 32), value, np.float32)
    actual, found = (
        f(w, **named(mode, group, bits)) for f in (lambda *a, **k: real(mx.quantize, *a, **k), quantization.quantize)
    )
    for one, other in zip(actual, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_ties_of_four_bits_go_towards_zero_and_zero_has_one_code() -> None:
    ties = [6, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, -0.25, -0.75, -1.25, -1.75, -2.5, -3.5, -5, -1e-3]
    w = np.array([ties * 2], np.float32)
    for mode in ("mxfp4", "nvfp4"):
        np.testing.assert_array_equal(quantization.quantize(w, mode=mode)[0], real(mx.quantize, w, mode=mode)[0])


def test_a_global_scale() -> None:
    w = weights((4, 64))
    scale = np.float32(3.0)
    actual = real(lambda w: mx.quantize(w, mode="nvfp4", global_scale=mx.array(scale)), w)
    for one, other in zip(actual, quantization.quantize(w, mode="nvfp4", global_scale=scale), strict=True):
        np.testing.assert_array_equal(one, other)
    back = real(lambda *a: mx.dequantize(*a, mode="nvfp4", global_scale=mx.array(scale), dtype=mx.float32), *actual)
    within(back, lambda: quantization.dequantize(*actual, mode="nvfp4", global_scale=scale), [])


@given(floats(shapes(1, 1), -600, 600, edges=True))
@many
def test_eight_bit_floats_of_numbers(x: np.ndarray) -> None:
    np.testing.assert_array_equal(quantization.to_fp8(x.astype(np.float64)), real(mx.to_fp8, x))


def test_numbers_of_eight_bit_floats() -> None:
    """All of them, each of which goes back to its own byte."""
    codes = np.arange(256, dtype=np.uint8)
    found = quantization.from_fp8(codes)
    np.testing.assert_array_equal(found, real(mx.from_fp8, codes, dtype=mx.float32))
    numbers = codes[~np.isnan(found)]
    np.testing.assert_array_equal(quantization.to_fp8(found[~np.isnan(found)]), numbers)


@pytest.mark.parametrize(("mode", "group", "bits"), [("affine", 32, 3), ("affine", 64, 4), ("affine", 64, 8), *OTHERS])
@given(st.data())
@few
def test_products(mode: str, group: int, bits: int, data: st.DataObject) -> None:
    arguments = named(mode, group, bits)
    packed = real(mx.quantize, data.draw(normals((3, 64, 64))), **arguments)
    transpose = data.draw(st.booleans())
    x = data.draw(normals((3, data.draw(st.integers(1, 3)), 64)))
    actual = real(mx.quantized_matmul, x, *packed, transpose=transpose, **arguments)
    found = quantization.quantized_matmul(x.astype(np.float64), *packed, transpose=transpose, **arguments)
    size = np.abs(quantization.dequantize(*packed, **arguments))
    if mode == "affine":
        size = size + np.repeat(np.abs(packed[2]), group, -1)
    total = np.abs(x) @ (np.swapaxes(size, -1, -2) if transpose else size)
    within(actual, lambda: found, [], terms=64, total=total)

    left = data.draw(integers("uint32", (2, 1), 0, 2))
    right = data.draw(integers("uint32", (4,), 0, 2))
    for lhs, rhs in [(left, right), (None, right[:3]), (left[:, 0], None)]:
        if rhs is None:
            lhs = np.resize(left, 3)
        actual = real(mx.gather_qmm, x, *packed, lhs_indices=lhs, rhs_indices=rhs, transpose=transpose, **arguments)
        found = quantization.gather_qmm(
            x.astype(np.float64), *packed, lhs_indices=lhs, rhs_indices=rhs, transpose=transpose, **arguments
        )
        within(actual, lambda found=found: found, [], terms=64, total=total.max())


@pytest.mark.parametrize("mode", ["mxfp4", "mxfp8", "nvfp4"])
def test_products_of_two_quantised_matrices(mode: str) -> None:
    """MLX's CPU has them for one row alone."""
    x, w = weights((1, 64)), weights((5, 64), 1)
    packed = real(mx.quantize, w, mode=mode)
    actual = real(mx.qqmm, x, *packed, mode=mode)
    found = quantization.qqmm(x.astype(np.float64), *packed, mode=mode)
    total = np.abs(x).sum() * 2 * np.abs(w).max()
    within(actual, lambda: found, [], terms=64, total=total)
    np.testing.assert_array_equal(quantization.qqmm(x, w, mode=mode), found)
    plain = x.astype(np.float64) @ quantization.dequantize(*packed, mode=mode).T
    with pytest.raises(AssertionError, match="times the bound"):
        within(actual, lambda: plain, [], terms=64, total=total)


def test_a_wrong_width_order_and_bias_are_rejected() -> None:
    w = weights((4, 64))
    packed, scales, biases = real(mx.quantize, w, group_size=32, bits=4)
    actual = real(mx.dequantize, packed, scales, biases, group_size=32, bits=4)
    within(actual, lambda: quantization.dequantize(packed, scales, biases, 32, 4), [], terms=2, total=4.0)
    swapped = quantization.pack(quantization.unpack(packed, 4)[:, ::-1], 4)
    for fault in [(swapped, scales, biases), (packed, scales[::-1], biases), (packed, scales, biases * 1.00001)]:
        with pytest.raises(AssertionError, match="times the bound"):
            within(actual, lambda fault=fault: quantization.dequantize(*fault, 32, 4), [], terms=2, total=4.0)


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(InputError, match="got 'int4'"):
        quantization.settings("int4", None, None)
    with pytest.raises(InputError, match="needs biases"):
        quantization.dequantize(np.zeros((1, 8), np.uint32), np.ones((1, 1)))
