"""Primitives of quantised matrices: what packed words, scales and biases stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from parity.exact.operations import quantization
from parity.exact.primitives.registry import primitive

MODES = ("affine", "mxfp4", "mxfp8", "nvfp4")
"""By MLX's numbers. Only affine quantisation has biases."""

CHOICES = {"mode": MODES}


@primitive("Quantize", "group_size", "bits", "mode", "dequantize", choices=CHOICES)
def quantize(
    x: np.ndarray,
    *others: np.ndarray,
    group_size: int,
    bits: int,
    mode: str,
    dequantize: bool,
) -> Any:
    """The others are a global scale; where it dequantises they are scales, biases if affine, and a global scale."""
    if not dequantize:
        return quantization.quantize(x, group_size, bits, mode, others[0] if others else None)
    scales, *rest = others
    biases = rest.pop(0) if mode == "affine" else None
    return quantization.dequantize(x, scales, biases, group_size, bits, mode, rest[0] if rest else None)


@primitive("QuantizedMatmul", "group_size", "bits", "mode", "transpose", choices=CHOICES)
def quantized_matmul(
    x: np.ndarray, words: np.ndarray, *scales: np.ndarray, group_size: int, bits: int, mode: str, transpose: bool
) -> np.ndarray:
    """The scales are followed by biases if affine."""
    scale, bias = _scales(scales)
    return quantization.quantized_matmul(x, words, scale, bias, transpose, group_size, bits, mode)


@primitive("GatherQMM", "group_size", "bits", "mode", "transpose", "left_sorted", "right_sorted", choices=CHOICES)
def gather_qmm(
    x: np.ndarray,
    words: np.ndarray,
    *others: np.ndarray,
    group_size: int,
    bits: int,
    mode: str,
    transpose: bool,
    left_sorted: bool,
    right_sorted: bool,
) -> np.ndarray:
    """The others are scales, biases if affine, and the indices of both sides."""
    *scales, left, right = others
    scale, bias = _scales(scales)
    return quantization.gather_qmm(x, words, scale, bias, left, right, transpose, group_size, bits, mode)


@primitive("QQMatmul", "group_size", "bits", "mode", "has_scales", "has_global_scales", choices=CHOICES)
def qqmm(
    x: np.ndarray,
    w: np.ndarray,
    *others: np.ndarray,
    group_size: int,
    bits: int,
    mode: str,
    has_scales: bool,
    has_global_scales: bool,
) -> np.ndarray:
    """The others are the scales of w, if it is quantised, and the global scales of x and w."""
    scales = others[0] if has_scales else None
    of_x, of_w = others[-2:] if has_global_scales else (None, None)
    return quantization.qqmm(x, w, scales, group_size, bits, mode, of_x, of_w)


primitive("ToFP8")(quantization.to_fp8)
primitive("FromFP8")(quantization.from_fp8)


def _scales(scales: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    return scales[0], scales[1] if len(scales) > 1 else None
