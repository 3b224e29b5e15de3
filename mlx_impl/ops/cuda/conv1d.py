"""Convolution in float32 on an NVIDIA GPU, as exact as PyTorch's on a CPU.

cuDNN, which MLX and PyTorch call there, is two to four times as far from the exact result. The portable twin,
`convolution.stacked_conv1d`, is as exact as this; it writes and reads again what each tap adds.
"""

from __future__ import annotations

from functools import cache

import mlx.core as mx

from mlx_impl.ops.cuda.kernel import Kernel, available

# As in conv1d.cu.
THREADS, CHUNK, REACH = 128, 16, 50
TILES = {128: 64, 64: 128}  # channels of a block's tile: its frames
LEAST = 192  # products of a sum: with fewer, the rounding of the products themselves is more than the sum's

CONVOLVE = Kernel(
    "conv1d.cu",
    "convolve",
    ("x", "weight", "bias", "spacing"),
    ("y",),
    "convolve<WIDTH_OF_TILE>(x, weight, bias, x_shape[1], x_shape[2], weight_shape[0], weight_shape[1], spacing[0], "
    "spacing[1], x_shape[1] + 2 * spacing[1] - spacing[0] * (weight_shape[1] - 1), y);",
)


def applies(x: mx.array, weight: mx.array, dilation: int = 1) -> bool:
    """Whether the kernel takes such frames `(B, T, in)` and weights `(out, k, in)`, at stride 1."""
    width_out, kernel, width = weight.shape
    fits = width % CHUNK == 0 and width_out % min(TILES) == 0 and 0 < dilation * (kernel - 1) <= REACH
    return fits and kernel * width >= LEAST and x.dtype == weight.dtype == mx.float32 and available()


def conv1d(x: mx.array, weight: mx.array, bias: mx.array, padding: int = 0, dilation: int = 1) -> mx.array:
    """`x (B, T, in)`, `weight (out, k, in)`, `bias (out)` -> `(B, T + 2 padding - dilation (k - 1), out)`."""
    batch, frames, _ = x.shape
    width, kernel, _ = weight.shape
    outputs = frames + 2 * padding - dilation * (kernel - 1)
    channels, height = next(tile for tile in TILES.items() if width % tile[0] == 0)
    blocks = batch * (width // channels) * -(-outputs // height)
    inputs = [x, weight, bias, _spacing(dilation, padding)]
    (y,) = CONVOLVE(inputs, [(batch, outputs, width)], mx.float32, {"WIDTH_OF_TILE": channels}, blocks, THREADS)
    return y


@cache
def _spacing(dilation: int, padding: int) -> mx.array:
    return mx.array([dilation, padding])
