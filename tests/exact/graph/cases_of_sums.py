"""Calls whose graphs sum, multiply matrices, convolve, quantise or factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.exact.graph.cases import CASES, Case, case
from tests.exact.operations.strategies import floats, integers


@case("Reduce")
def reduce(data: Any) -> Case:
    function = data.draw(st.sampled_from([mx.sum, mx.max, mx.min, mx.all, mx.any]))
    x = data.draw(floats((3, 2, 4), -9, 9))
    axis, keep = data.draw(st.sampled_from([0, -1, (0, 2), None])), data.draw(st.booleans())
    return Case(lambda x: function(x, axis, keepdims=keep), [x], terms=x.size)


@case("Reduce prod")
def reduce_prod(data: Any) -> Case:
    return Case(lambda x: mx.prod(x, 0), [data.draw(floats((3, 4), 0.5, 2))])


@case("Reduce of integers")
def reduce_integers(data: Any) -> Case:
    dtype = data.draw(st.sampled_from(["bool", "int8", "uint8", "int32", "uint32"]))
    function = data.draw(st.sampled_from([mx.sum, mx.prod, mx.max, mx.min]))
    return Case(lambda x: function(x, (0, 1)), [data.draw(integers(dtype, (3, 4)))])


@case("NumberOfElements")
def number_of_elements(data: Any) -> Case:
    return Case(lambda x: mx.mean(x, 0), [data.draw(floats((3, 2), -9, 9))], terms=3, shapeless=True)


@case("Softmax")
def softmax(data: Any) -> Case:
    x = data.draw(floats((3, 4), -9, 9))
    return Case(lambda x: mx.softmax(x, -1, precise=data.draw(st.just(True))), [x], ulps=8)


@case("LogSumExp")
def logsumexp(data: Any) -> Case:
    return Case(lambda x: mx.logsumexp(x, -1), [data.draw(floats((3, 4), 1, 9))], ulps=8)


@case("Scan")
def scan(data: Any) -> Case:
    function = data.draw(st.sampled_from([mx.cumsum, mx.cummax, mx.cummin]))
    reverse, inclusive, axis = data.draw(st.booleans()), data.draw(st.booleans()), data.draw(st.integers(0, 1))
    x = data.draw(floats((3, 4), -9, 9))
    return Case(lambda x: function(x, axis=axis, reverse=reverse, inclusive=inclusive), [x], terms=4)


@case("Scan prod")
def scan_prod(data: Any) -> Case:
    return Case(lambda x: mx.cumprod(x, axis=1), [data.draw(floats((3, 4), 0.5, 2))])


@case("FFT")
def fft(data: Any) -> Case:
    axis, n = data.draw(st.integers(0, 1)), data.draw(st.integers(2, 7))
    functions = [
        lambda x: mx.abs(mx.fft.fft(x, n, axis)),
        lambda x: mx.abs(mx.fft.rfft(x, n, axis)),
        lambda x: mx.fft.irfft(mx.fft.rfft(x, axis=axis), n, axis),
        lambda x: mx.real(mx.fft.ifft(x, n, axis)),
        lambda x: mx.abs(mx.fft.fft2(x)),
        lambda x: mx.fft.irfft2(mx.fft.rfft2(x)),
    ]
    return Case(data.draw(st.sampled_from(functions)), [data.draw(floats((4, 6), 1, 9))], terms=48)


def _bilinear(name: str, terms: int, function: Callable[..., Any], *shape: tuple[int, ...]) -> None:
    CASES[name] = lambda data: Case(function, [data.draw(floats(each, -3, 3)) for each in shape], terms=terms)


_bilinear("Matmul", 4, mx.matmul, (2, 3, 4), (4, 5))
_bilinear("AddMM", 6, lambda a, b, c: mx.addmm(c, a, b, alpha=0.3, beta=1.7), (3, 4), (4, 5), (5,))
_bilinear(
    "GatherMM", 4, lambda a, b: mx.gather_mm(a, b, rhs_indices=mx.array([2, 0, 2], mx.uint32)), (3, 2, 4), (3, 4, 2)
)
_bilinear("Hadamard", 8, mx.hadamard_transform, (2, 8))


@case("BlockMaskedMM")
def block_masked_mm(data: Any) -> Case:
    """A factor of 1 is the input: the many numbers of the matrices are not moved one by one."""
    a, b = (np.random.default_rng(data.draw(st.integers(0, 99))).uniform(-1, 1, (64, 64)) for _ in range(2))
    left, right = (mx.array(each.astype(np.float32)) for each in (a, b))
    masks = [data.draw(hnp.arrays(bool, (2, 2))) for _ in range(3)]
    kinds = data.draw(st.sampled_from([(0,), (1, 2), (0, 1, 2)]))

    def function(one: Any) -> Any:
        of_out, of_a, of_b = (mx.array(mask) if place in kinds else None for place, mask in enumerate(masks))
        return mx.block_masked_mm(left * one, right, 32, of_out, of_a, of_b)

    return Case(function, [np.ones(1, np.float32)], terms=-64)


@case("Convolution")
def convolution(data: Any) -> Case:
    dims, groups = data.draw(st.integers(1, 2)), data.draw(st.sampled_from([1, 2]))
    pick = {
        name: data.draw(st.integers(low, 2)) for name, low in [("stride", 1), ("padding", 0), ("kernel_dilation", 1)]
    }
    x = data.draw(floats((1, *[5] * dims, 4), -3, 3))
    w = data.draw(floats((2, *[2] * dims, 4 // groups), -3, 3))
    flip, between = data.draw(st.booleans()), data.draw(st.integers(1, 2))
    return Case(
        lambda x, w: mx.conv_general(x, w, **pick, groups=groups, flip=flip, input_dilation=between),
        [x, w],
        terms=-16,
    )


def _quantized(data: Any, bits: int, mode: str) -> list[np.ndarray]:
    weight = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((2, 3, 64)).astype(np.float32)
    keywords = {"bits": bits, "group_size": 32} if mode == "affine" else {}
    return [np.array(part) for part in mx.quantize(mx.array(weight), mode=mode, **keywords)]


@case("QuantizedMatmul")
def quantized_matmul(data: Any) -> Case:
    mode = data.draw(st.sampled_from(["affine", "mxfp4", "mxfp8", "nvfp4"]))
    bits = data.draw(st.sampled_from([2, 3, 4, 5, 6, 8]))
    parts = [part[0] for part in _quantized(data, bits, mode)]
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((2, 64)).astype(np.float32)
    keywords = {"bits": bits, "group_size": 32} if mode == "affine" else {}
    return Case(lambda x, *q: mx.quantized_matmul(x, *q, mode=mode, **keywords), [x, *parts], terms=-64)


@case("GatherQMM")
def gather_qmm(data: Any) -> Case:
    mode = data.draw(st.sampled_from(["affine", "mxfp4"]))
    rows = mx.array([1, 0, 1], mx.uint32)
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((3, 1, 64)).astype(np.float32)
    keywords = {"bits": 4, "group_size": 32} if mode == "affine" else {}
    return Case(
        lambda x, *q: mx.gather_qmm(x, *q, rhs_indices=rows, mode=mode, **keywords),
        [x, *_quantized(data, 4, mode)],
        terms=-64,
    )


@case("Quantize")
def quantize(data: Any) -> Case:
    """A grid of a power of two, so that rounding decides nothing."""
    codes = data.draw(integers("int32", (2, 32), 0, 15))
    codes[:, 0], codes[:, 1] = 15, 0
    weight = (codes - 15).astype(np.float32) * 0.5
    return Case(lambda w: list(mx.quantize(w, group_size=32, bits=4)), [weight])


# Factors: what is unique of them


def _matrix(data: Any) -> np.ndarray:
    noise = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((3, 3))
    return (noise + 4 * np.eye(3)).astype(np.float32)


def _factor(name: str, function: Callable[..., Any]) -> None:
    CASES[name] = lambda data: Case(function, [_matrix(data)], ulps=64, terms=-9)


_factor("Inverse", lambda a: mx.linalg.inv(a, stream=mx.cpu))
_factor("Inverse of a triangle", lambda a: mx.linalg.tri_inv(mx.tril(a), stream=mx.cpu))
_factor("Cholesky", lambda a: mx.linalg.cholesky(a @ a.T, stream=mx.cpu))
_factor("QRF", lambda a: mx.matmul(*mx.linalg.qr(a, stream=mx.cpu)))
_factor("SVD", lambda a: mx.linalg.svd(a, stream=mx.cpu)[1])
_factor("Eigh", lambda a: mx.linalg.eigvalsh(a + a.T, stream=mx.cpu))
_factor("Eig", lambda a: mx.sort(mx.abs(mx.linalg.eigvals(a, stream=mx.cpu))))
