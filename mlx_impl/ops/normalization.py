"""LayerNorm of this side: MLX's fused one on a GPU; on the CPU with its sums taken as matrix products.

MLX's CPU reductions add one value after the other: over 512 channels the norm is then 2.6 times as far from the exact
result as PyTorch's. A product with a column of ones sums in blocks, which is as precise as PyTorch (1.2 times) and
faster.
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.linear import matmul


class LayerNorm(nn.LayerNorm):
    """`... c` -> `... c`, over the last axis, with weight and bias. Statistics in float32 for any dtype."""

    def __call__(self, x: mx.array) -> mx.array:
        if on_gpu():
            return super().__call__(x)
        return blocked_layer_norm(x.astype(mx.float32), self.weight, self.bias, self.eps).astype(x.dtype)


def blocked_layer_norm(x: mx.array, weight: mx.array, bias: mx.array, eps: float) -> mx.array:
    """Layer norm of `x (..., c)` in float32."""
    average = mx.full((x.shape[-1], 1), 1 / x.shape[-1])
    centred = x - matmul(x, average)
    variance = matmul(centred * centred, average)
    return centred * mx.rsqrt(variance + eps) * weight + bias
