"""Values as a converted file holds them: rounded, in codes, or as the two tensors that fold or add to one."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from mlx import nn

from mlx_impl.weights.stored.foreign import Quantization
from mlx_impl.weights.stored.mapping import Parameter
from mlx_impl.weights.stored.number import decode

BITS = (4, 8)
EPSILON = {"F32": 2.0**-23, "F16": 2.0**-10, "BF16": 2.0**-7}
CHUNK = 1 << 20  # values that are rounded at a time: rounding needs several copies of them
SMALLEST = {"F32": 2.0**-149, "F16": 2.0**-24, "BF16": 2.0**-133}


def encode(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """A float32 array in `dtype`, bfloat16 as its bits. Raises `ValueError` where a weight becomes infinite."""
    if dtype == "F32":
        return array
    stored = np.empty(array.shape, np.float16 if dtype == "F16" else np.uint16)
    source, target = np.ascontiguousarray(array).reshape(-1), stored.reshape(-1)
    for start in range(0, array.size, CHUNK):
        part = source[start : start + CHUNK]
        with np.errstate(over="ignore"):
            rounded = part.astype(np.float16) if dtype == "F16" else rounded_bits(part)
        if np.isinf(decode(rounded, dtype)).any():
            raise ValueError(f"{name} holds {np.abs(part).max():.3g}, too large for {dtype}; choose another --dtype")
        target[start : start + CHUNK] = rounded
    return stored


def rounded_bits(array: np.ndarray) -> np.ndarray:
    """The upper half of each float32, rounded: bfloat16."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def unfold(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A pair g, v that folds to the weight, to rounding: its norms and itself."""
    wide = weight.astype(np.float64)
    norm = np.sqrt(np.sum(wide * wide, axis=tuple(range(1, weight.ndim)), keepdims=True))
    return norm.astype(np.float32), weight


def split(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two biases with this sum: its halves, which are exact, and neither of which looks as if it had been forgotten."""
    half = total / 2
    return half, half


def packable(parameter: Parameter, inputs: int, quantization: Quantization) -> bool:
    """Whether a weight is a linear layer's with whole groups of inputs: other converters pack any of them."""
    linear = parameter.rule.kind == "linear" and parameter.leaf.name == "weight"
    return linear and inputs % quantization.group_size == 0


def quantizable(parameter: Parameter, inputs: int, quantization: Quantization) -> bool:
    """Whether a weight is packed by this converter: those of T3, which are most of the model."""
    return parameter.stage == "t3" and packable(parameter, inputs, quantization)


def quantized(weight: np.ndarray, quantization: Quantization) -> dict[str, np.ndarray]:
    """A weight `(out, in)` in float32 -> its codes, packed, and each group's scale and bias, in float32."""
    layer = nn.Linear(1, 1, bias=False)
    layer.weight = mx.array(weight)
    packed = layer.to_quantized(quantization.group_size, quantization.bits)
    return {name: np.array(packed[name]) for name in ("weight", "scales", "biases")}
