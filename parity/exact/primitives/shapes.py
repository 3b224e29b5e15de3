"""Primitives that move values and leave them as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from parity.exact.operations import casts
from parity.exact.primitives.registry import Output, primitive


def _reshaped(x: np.ndarray, *, outputs: tuple[Output, ...], **arguments: Any) -> np.ndarray:
    return x.reshape(outputs[0].shape)


primitive("Reshape", "shape")(_reshaped)
primitive("Flatten", "start_axis", "end_axis")(_reshaped)
primitive("Unflatten", "axis", "shape")(_reshaped)
primitive("ExpandDims", "axes")(_reshaped)
primitive("Squeeze", "axes")(_reshaped)


def _broadcast(x: np.ndarray, *others: np.ndarray, outputs: tuple[Output, ...], **arguments: Any) -> np.ndarray:
    """Arrays besides the first only lend their shapes."""
    return np.broadcast_to(x, outputs[0].shape)


primitive("Broadcast", "shape")(_broadcast)
primitive("BroadcastAxes", "ignored_axes")(_broadcast)
primitive("Full")(_broadcast)


def _same(x: np.ndarray, **arguments: Any) -> np.ndarray:
    return x


primitive("Copy")(_same)
primitive("StopGradient")(_same)
primitive("Contiguous")(_same)


@primitive("Depends")
def depends(*arrays: np.ndarray, outputs: tuple[Output, ...]) -> Sequence[np.ndarray]:
    """The first arrays, once those behind them have been computed."""
    return arrays[: len(outputs)]


@primitive("Transpose", "axes")
def transpose(x: np.ndarray, *, axes: Sequence[int]) -> np.ndarray:
    return x.transpose(axes)


@primitive("Concatenate", "axis")
def concatenate(*arrays: np.ndarray, axis: int) -> np.ndarray:
    return np.concatenate(arrays, axis)


@primitive("Split", "indices", "axis")
def split(x: np.ndarray, *, indices: Sequence[int], axis: int) -> Sequence[np.ndarray]:
    return np.split(x, list(indices), axis)


@primitive("Pad", "axes", "low", "high")
def pad(
    x: np.ndarray, value: np.ndarray, *, axes: Sequence[int], low: Sequence[int], high: Sequence[int]
) -> np.ndarray:
    width = [(0, 0)] * x.ndim
    for axis, before, after in zip(axes, low, high, strict=True):
        width[axis] = (before, after)
    return np.pad(x, width, constant_values=value)


def _bits(inputs: tuple[Output, ...], outputs: tuple[Output, ...]) -> str:
    pair = {inputs[0].dtype, outputs[0].dtype}
    if len(pair) == 1 or pair == {"float32", "complex64"} or not any(casts.storage(each).kind in "fc" for each in pair):
        return ""
    return (
        f"it reads the bits of {inputs[0].dtype} as {outputs[0].dtype}, and bits are no numbers; trace the plain path "
        "beside it"
    )


@primitive("View", "dtype", refuse=_bits)
def view(x: np.ndarray, *, dtype: str) -> np.ndarray:
    """Of integers their bytes, of complex values their two parts, anew: the last axis grows or shrinks with them."""
    return np.ascontiguousarray(x).view(casts.storage(dtype))


@primitive("AsStrided", "shape", "strides", "offset")
def as_strided(x: np.ndarray, *, shape: Sequence[int], strides: Sequence[int], offset: int) -> np.ndarray:
    """Strides and offset count elements of the array laid out row by row."""
    flat = np.ascontiguousarray(x).reshape(-1)
    places = np.full(tuple(shape), offset, np.int64)
    for axis, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        places += (np.arange(size) * stride).reshape((-1,) + (1,) * (len(shape) - axis - 1))
    return flat[places]


@primitive("Arange", "start", "stop", "step")
def arange(*, start: float, stop: float, step: float, outputs: tuple[Output, ...]) -> np.ndarray:
    """start + i · step; integers are counted as integers."""
    kind = casts.storage(outputs[0].dtype)
    (count,) = outputs[0].shape
    if kind.kind == "f":
        return start + np.arange(count) * step
    return np.asarray(int(start) + np.arange(count) * int(step)).astype(kind)


@primitive("NumberOfElements", "axes", "inverted", "dtype")
def number_of_elements(
    x: np.ndarray, *, axes: Sequence[int], inverted: bool, dtype: str, outputs: tuple[Output, ...]
) -> np.ndarray:
    count = math.prod(x.shape[axis] for axis in axes)
    return np.asarray(1 / count if inverted else count).astype(casts.storage(outputs[0].dtype))
