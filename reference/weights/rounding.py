"""Weights rounded as a file of less precision holds them, and computed with as before: what rounding alone does.

The MLX side has such files (`python -m mlx_impl convert --dtype`, `--quantize`); here are the same values.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

HALF = {"float16": torch.float16, "bfloat16": torch.bfloat16}
BITS = {"4bit": 4, "8bit": 8}  # of T3's linear layers; everything else keeps its precision
GROUP = 64  # inputs that share a scale and a bias


def round_weights(model: nn.Module, to: str) -> None:
    """Round a model's parameters in place, to one of `HALF` or `BITS`. Raises `ValueError` for anything else."""
    if to in HALF:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(HALF[to]).to(parameter.dtype)
    elif to in BITS:
        for layer in getattr(model, "t3", nn.Module()).modules():
            if isinstance(layer, nn.Linear) and layer.in_features % GROUP == 0:
                layer.weight.data = _quantized(layer.weight.data, BITS[to])
    else:
        raise ValueError(f"weights {to!r}: expected one of {', '.join((*HALF, *BITS))}")


def _quantized(weight: Tensor, bits: int) -> Tensor:
    """A weight `(out, in)` -> what its codes of so many bits stand for.

    As `mx.quantize` makes them: each group from its end that is farther from 0, which has a code of its own.
    """
    groups = weight.unflatten(1, (-1, GROUP))
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    largest = 2**bits - 1
    scale = ((high - low) / largest).clamp(min=1e-7)
    negative = low.abs() > high.abs()
    scale, edge = torch.where(negative, scale, -scale), torch.where(negative, low, high)
    at_edge = torch.round(edge / scale)
    whole = at_edge != 0
    scale = torch.where(whole, edge / torch.where(whole, at_edge, 1), scale)
    bias = torch.where(whole, edge, 0)
    codes = torch.round((groups - bias) / scale).clamp(0, largest)
    return (codes * scale + bias).flatten(1)
