"""Quantised weights, and products of matrices that indices or masks choose."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.exact.operations import products, quantization
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, cast, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import Dtype, result_type
from parity.exact.standin.elementwise import doubled

NAMES = Names()


def _optional(a: Any) -> np.ndarray | None:
    return None if a is None else asarray(a).value


@NAMES.operation
def quantize(
    w: Any,
    /,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    *,
    global_scale: Any = None,
) -> tuple[array, ...]:
    """Packed words, scales and, in affine mode, biases."""
    w = asarray(w)
    packed, *rest = quantization.quantize(doubled(w), group_size, bits, mode, _optional(global_scale))
    if mode != "affine":
        return wrapped(packed, dtypes.uint32), wrapped(rest[0], dtypes.uint8)
    return wrapped(packed, dtypes.uint32), *(wrapped(cast(one, dtypes.float32, w.dtype), w.dtype) for one in rest)


@NAMES.operation
def dequantize(
    w: Any,
    /,
    scales: Any,
    biases: Any = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: Any = None,
    dtype: Dtype | None = None,
) -> array:
    """Reported as the scales are in affine mode, else as bfloat16; or as `dtype`."""
    scales = asarray(scales)
    value = quantization.dequantize(
        asarray(w).value, scales.value, _optional(biases), group_size, bits, mode, _optional(global_scale)
    )
    own = scales.dtype if mode == "affine" else dtypes.bfloat16
    return wrapped(cast(value, dtypes.float32, dtype or own), dtype or own)


@NAMES.operation
def quantized_matmul(
    x: Any,
    w: Any,
    /,
    scales: Any,
    biases: Any = None,
    transpose: bool = True,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: Any = None,
) -> array:
    x, scales = asarray(x), asarray(scales)
    value = quantization.quantized_matmul(
        doubled(x),
        asarray(w).value,
        scales.value,
        _optional(biases),
        transpose,
        group_size,
        bits,
        mode,
        _optional(global_scale),
    )
    return wrapped(value, _product_dtype(x, scales, biases, mode))


def _product_dtype(x: array, scales: array, biases: Any, mode: str) -> Dtype:
    if mode != "affine":
        return x.dtype
    return result_type(x.dtype, scales.dtype, *([] if biases is None else [asarray(biases).dtype]))


@NAMES.operation
def gather_qmm(
    x: Any,
    w: Any,
    /,
    scales: Any,
    biases: Any = None,
    lhs_indices: Any = None,
    rhs_indices: Any = None,
    transpose: bool = True,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: Any = None,
    *,
    sorted_indices: bool = False,
) -> array:
    x, scales = asarray(x), asarray(scales)
    value = quantization.gather_qmm(
        doubled(x),
        asarray(w).value,
        scales.value,
        _optional(biases),
        _optional(lhs_indices),
        _optional(rhs_indices),
        transpose,
        group_size,
        bits,
        mode,
        _optional(global_scale),
    )
    return wrapped(value, _product_dtype(x, scales, biases, mode))


@NAMES.operation
def qqmm(
    x: Any,
    w: Any,
    scales: Any = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "nvfp4",
    global_scale_x: Any = None,
    global_scale_w: Any = None,
) -> array:
    """The product of quantised values on both sides."""
    x, w = asarray(x), asarray(w)
    value = quantization.qqmm(
        doubled(x),
        doubled(w) if scales is None else w.value,
        _optional(scales),
        group_size,
        bits,
        mode,
        _optional(global_scale_x),
        _optional(global_scale_w),
    )
    return wrapped(value, x.dtype)


@NAMES.operation
def gather_mm(
    a: Any, b: Any, /, lhs_indices: Any = None, rhs_indices: Any = None, *, sorted_indices: bool = False
) -> array:
    a, b = asarray(a), asarray(b)
    value = products.gather_mm(doubled(a), doubled(b), _optional(lhs_indices), _optional(rhs_indices))
    return wrapped(value, result_type(a.dtype, b.dtype))


@NAMES.operation
def segmented_mm(a: Any, b: Any, /, segments: Any) -> array:
    a, b = asarray(a), asarray(b)
    return wrapped(
        products.segmented_mm(doubled(a), doubled(b), asarray(segments).value), result_type(a.dtype, b.dtype)
    )


@NAMES.operation
def block_masked_mm(
    a: Any, b: Any, /, block_size: int = 64, mask_out: Any = None, mask_lhs: Any = None, mask_rhs: Any = None
) -> array:
    a, b = asarray(a), asarray(b)
    masks = _optional(mask_out), _optional(mask_lhs), _optional(mask_rhs)
    return wrapped(products.block_masked_mm(doubled(a), doubled(b), block_size, *masks), result_type(a.dtype, b.dtype))


@NAMES.operation
def hadamard_transform(a: Any, scale: float | None = None) -> array:
    a = asarray(a)
    return wrapped(products.hadamard_transform(doubled(a), scale), a.dtype if a.dtype.is_inexact else dtypes.float32)


@NAMES.operation
def to_fp8(x: Any) -> array:
    return wrapped(quantization.to_fp8(doubled(asarray(x))), dtypes.uint8)


@NAMES.operation
def from_fp8(x: Any, dtype: Dtype = dtypes.bfloat16) -> array:
    return wrapped(cast(quantization.from_fp8(asarray(x).value), dtypes.float32, dtype), dtype)
