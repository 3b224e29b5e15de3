"""Quantisation of linear layers, as `mlx.nn.quantize` does it."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from mlx import nn

from mlx_impl.weights.stored.mapping import Parameter
from mlx_impl.weights.stored.reader import Quantization

BITS = (4, 8)


def packable(parameter: Parameter, inputs: int, quantization: Quantization) -> bool:
    """Whether a weight is a linear layer's with whole groups of inputs: other converters pack any of them."""
    linear = parameter.rule.kind == "linear" and parameter.leaf.name == "weight"
    return linear and inputs % quantization.group_size == 0


def quantizable(parameter: Parameter, inputs: int, quantization: Quantization) -> bool:
    """Whether a weight is packed by this converter: those of T3, which are most of the model."""
    return parameter.stage == "t3" and packable(parameter, inputs, quantization)


def quantize_module(module: nn.Module, quantization: Quantization, layers: set[str]) -> None:
    """Replace the linear layers of these paths, in place."""
    nn.quantize(
        module,
        quantization.group_size,
        quantization.bits,
        class_predicate=lambda path, layer: isinstance(layer, nn.Linear) and path in layers,
    )


def quantized(weight: np.ndarray, quantization: Quantization) -> dict[str, np.ndarray]:
    """A weight `(out, in)` in float32 -> its codes, packed, and each group's scale and bias, in float32."""
    layer = nn.Linear(1, 1, bias=False)
    layer.weight = mx.array(weight)
    packed = layer.to_quantized(quantization.group_size, quantization.bits)
    return {name: np.array(packed[name]) for name in ("weight", "scales", "biases")}
