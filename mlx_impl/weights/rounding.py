"""Weights rounded as a file of less precision holds them, and computed with as before: what rounding alone does.

The result is that of loading such a file (`python -m mlx_impl convert --dtype`, `--quantize`), without a file.
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_map

HALF = {"float16": mx.float16, "bfloat16": mx.bfloat16}
BITS = {"4bit": 4, "8bit": 8}  # of T3's linear layers; everything else keeps its precision
GROUP = 64  # inputs that share a scale and a bias


def round_weights(model: nn.Module, to: str) -> None:
    """Round a model's parameters in place, to one of `HALF` or `BITS`. Raises `ValueError` for anything else."""
    if to in HALF:
        model.update(tree_map(lambda array: array.astype(HALF[to]).astype(array.dtype), model.parameters()))
    elif to in BITS:
        if "t3" in model:

            def whole(path: str, layer: nn.Module) -> bool:
                return isinstance(layer, nn.Linear) and layer.weight.shape[1] % GROUP == 0

            nn.quantize(model.t3, GROUP, BITS[to], class_predicate=whole)
    else:
        raise ValueError(f"weights {to!r}: expected one of {', '.join((*HALF, *BITS))}")
    mx.eval(model.parameters())
