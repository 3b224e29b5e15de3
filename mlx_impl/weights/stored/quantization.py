"""Quantisation of linear layers, as `mlx.nn.quantize` does it."""

from __future__ import annotations

from mlx import nn

from mlx_impl.weights.stored.foreign import Quantization


def quantize_module(module: nn.Module, quantization: Quantization, layers: set[str]) -> None:
    """Replace the linear layers of these paths, in place."""
    nn.quantize(
        module,
        quantization.group_size,
        quantization.bits,
        class_predicate=lambda path, layer: isinstance(layer, nn.Linear) and path in layers,
    )
