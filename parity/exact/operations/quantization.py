"""Quantised matrices: what packed values, scales and biases stand for, in double.

Values of `bits` each are packed in uint32 words of the last axis, the first value in the lowest bits; a value may cross
into the next word. Each group of `group_size` neighbours shares one scale. The modes:

    affine  scale · value + bias, values of 1 to 6 or 8 bits, scales and biases floating
    mxfp4   values e2m1, scales powers of two (e8m0), groups of 32
    mxfp8   values e4m3, scales powers of two (e8m0), groups of 32
    nvfp4   values e2m1, scales e4m3, groups of 16; a global scale divides by 448 · 6
"""

from __future__ import annotations

import numpy as np

from parity.base.errors import InputError
from parity.exact.operations.products import gathered_products

_E2M1 = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0])
_LARGEST_E2M1, _LARGEST_E4M3 = 6.0, 448.0
_DEFAULTS = {"affine": (64, 4), "mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}


def settings(mode: str, group_size: int | None, bits: int | None) -> tuple[int, int]:
    """Group size and bits, those of the mode where they are not given."""
    if mode not in _DEFAULTS:
        raise InputError(f"a mode of quantisation is one of {', '.join(_DEFAULTS)}, got {mode!r}")
    size, width = _DEFAULTS[mode]
    return size if group_size is None else group_size, width if bits is None else bits


def unpack(packed: np.ndarray, bits: int) -> np.ndarray:
    """The values (uint8) of uint32 words along the last axis."""
    words = np.ascontiguousarray(packed, dtype="<u4").view(np.uint8)
    single = np.unpackbits(words, axis=-1, bitorder="little").reshape(*packed.shape[:-1], -1, bits)
    return np.asarray(np.packbits(single, axis=-1, bitorder="little")[..., 0])


def pack(values: np.ndarray, bits: int) -> np.ndarray:
    """The uint32 words that hold values below 2^bits along the last axis, whose bits must fill whole words."""
    single = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1, count=bits, bitorder="little")
    words = np.packbits(single.reshape(*values.shape[:-1], -1), axis=-1, bitorder="little")
    return np.ascontiguousarray(words).view("<u4").astype(np.uint32)


def from_fp8(x: np.ndarray) -> np.ndarray:
    """The values of e4m3 bytes; 127 and 255 are NaN."""
    size = ((x.astype(np.uint16) & 127) << 7).view(np.float16).astype(np.float64) * 256
    return np.where((x & 127) == 127, np.nan, np.where(x & 128, -size, size))


def to_fp8(x: np.ndarray) -> np.ndarray:
    """The nearest e4m3 bytes, ties to even; beyond ±448, and for NaN, those of ±448."""
    _, exponent = np.frexp(x)
    spacing = np.ldexp(1.0, np.maximum(exponent - 1, -6) - 3)
    with np.errstate(invalid="ignore"):
        size = np.abs(np.rint(x / spacing) * spacing)
    size = np.where(size < _LARGEST_E4M3, size, _LARGEST_E4M3)
    code = (size / 256).astype(np.float16).view(np.uint16) >> 7
    return (code | np.where(np.signbit(x), 128, 0)).astype(np.uint8)


def dequantize(
    packed: np.ndarray,
    scales: np.ndarray,
    biases: np.ndarray | None = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: np.ndarray | float | None = None,
) -> np.ndarray:
    """The values (..., K) of packed words (..., K · bits / 32), scales and biases (..., K / group size)."""
    group_size, bits = settings(mode, group_size, bits)
    codes = unpack(packed, bits)
    groups = codes.reshape(*codes.shape[:-1], -1, group_size)
    if mode == "affine":
        if biases is None:
            raise InputError("affine quantisation needs biases, got none")
        return np.asarray((groups * _double(scales)[..., None] + _double(biases)[..., None]).reshape(codes.shape))
    values = _E2M1[groups] if bits == 4 else from_fp8(groups)
    return np.asarray((values * _scale(scales, mode, global_scale)[..., None]).reshape(codes.shape))


def quantize(
    w: np.ndarray,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: np.ndarray | float | None = None,
) -> tuple[np.ndarray, ...]:
    """Packed words, scales and, if affine, biases of w (..., K).

    Affine: the value of a group that is farthest from 0 is exact, and 0 is; of 1 bit both ends are. The others: a scale
    takes the largest value of its group to the largest that a code has: a power of two that is not below, or the
    nearest e4m3. Values go to the nearest code, ties of e2m1 towards 0, as on MLX's CPU; its GPU takes them to even.
    """
    group_size, bits = settings(mode, group_size, bits)
    groups = _double(w).reshape(*w.shape[:-1], -1, group_size)
    if mode == "affine":
        return _affine(groups, bits)
    largest = np.abs(groups).max(axis=-1) / (_LARGEST_E2M1 if bits == 4 else _LARGEST_E4M3)
    if mode == "nvfp4":
        wider = 1.0 if global_scale is None else _LARGEST_E4M3 * _LARGEST_E2M1 / np.asarray(global_scale, np.float64)
        scales = to_fp8(largest * wider)
    else:
        exponent = np.ceil(np.log2(np.where(largest == 0, 1.0, largest)))
        scales = np.clip(exponent + 127, 0, 255).astype(np.uint8)
    unit = _scale(scales, mode, global_scale)[..., None]
    scaled = np.where(unit == 0, 0.0, groups / np.where(unit == 0, 1.0, unit))
    codes = to_fp8(scaled) if bits == 8 else _to_e2m1(scaled)
    return pack(codes.reshape(w.shape), bits), scales


def _affine(groups: np.ndarray, bits: int) -> tuple[np.ndarray, ...]:
    high, low = groups.max(axis=-1), groups.min(axis=-1)
    steps = 2**bits - 1
    scales, biases = np.maximum((high - low) / steps, 1e-7), low
    if bits > 1:
        below = np.abs(low) > np.abs(high)
        scales = np.where(below, scales, -scales)
        edge = np.where(below, low, high)
        nearest = np.rint(edge / scales)
        zero = nearest == 0
        scales = np.where(zero, scales, edge / np.where(zero, 1.0, nearest))
        biases = np.where(zero, 0.0, edge)
    codes = np.clip(np.rint((groups - biases[..., None]) / scales[..., None]), 0, steps)
    return pack(codes.reshape(*groups.shape[:-2], -1), bits), scales, biases


def quantized_matmul(
    x: np.ndarray,
    packed: np.ndarray,
    scales: np.ndarray,
    biases: np.ndarray | None = None,
    transpose: bool = True,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: np.ndarray | float | None = None,
) -> np.ndarray:
    """x times the dequantised matrix, or times its transpose."""
    matrix = dequantize(packed, scales, biases, group_size, bits, mode, global_scale)
    return np.asarray(x @ (np.swapaxes(matrix, -1, -2) if transpose else matrix))


def gather_qmm(
    x: np.ndarray,
    packed: np.ndarray,
    scales: np.ndarray,
    biases: np.ndarray | None = None,
    lhs_indices: np.ndarray | None = None,
    rhs_indices: np.ndarray | None = None,
    transpose: bool = True,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "affine",
    global_scale: np.ndarray | float | None = None,
) -> np.ndarray:
    """`products.gather_mm` with dequantised matrices on the right: each that is used is dequantised once."""
    if lhs_indices is None and rhs_indices is None:
        return quantized_matmul(x, packed, scales, biases, transpose, group_size, bits, mode, global_scale)
    size, width = settings(mode, group_size, bits)
    flat = [None if each is None else each.reshape(-1, *each.shape[-2:]) for each in (packed, scales, biases)]

    def matrix(index: int) -> np.ndarray:
        words, scale, bias = (None if each is None else each[index] for each in flat)
        assert words is not None and scale is not None
        values = dequantize(words, scale, bias, size, width, mode, global_scale)
        return values.T if transpose else values

    columns = packed.shape[-2] if transpose else packed.shape[-1] * 32 // width
    return gathered_products(x, packed.shape[:-2], columns, lhs_indices, rhs_indices, matrix)


def qqmm(
    x: np.ndarray,
    w: np.ndarray,
    scales: np.ndarray | None = None,
    group_size: int | None = None,
    bits: int | None = None,
    mode: str = "nvfp4",
    global_scale_x: np.ndarray | float | None = None,
    global_scale_w: np.ndarray | float | None = None,
) -> np.ndarray:
    """x, quantised and dequantised, times the transpose of w; without scales w is quantised alike."""
    size, width = settings(mode, group_size, bits)
    words, found = (w, scales) if scales is not None else quantize(w, size, width, mode, global_scale_w)
    matrix = dequantize(words, found, None, size, width, mode, global_scale_w)
    words, found = quantize(x, size, width, mode, global_scale_x)
    return np.asarray(dequantize(words, found, None, size, width, mode, global_scale_x) @ np.swapaxes(matrix, -1, -2))


def _double(x: np.ndarray) -> np.ndarray:
    return np.asarray(x).astype(np.float64, copy=False)


def _scale(scales: np.ndarray, mode: str, global_scale: np.ndarray | float | None) -> np.ndarray:
    if mode == "nvfp4":
        wider = 1.0 if global_scale is None else np.asarray(global_scale, np.float64) / (_LARGEST_E4M3 * _LARGEST_E2M1)
        return np.asarray(from_fp8(scales) * wider)
    exponent = scales.astype(np.int32) - 127
    return np.where(exponent == 128, np.inf, np.asarray(np.ldexp(1.0, exponent)))


def _to_e2m1(x: np.ndarray) -> np.ndarray:
    """The codes of the nearest e2m1 values, ties towards 0, which has one code alone."""
    borders = (_E2M1[:7] + _E2M1[1:8]) / 2
    code = np.searchsorted(borders, np.abs(x), side="left")
    return np.asarray(np.where((code > 0) & (x < 0), code + 8, code).astype(np.uint8))
