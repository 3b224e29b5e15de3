"""Convolutions with stride, padding and dilation, as sums of matrix products: see `convolution.py`."""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.convolution import BLOCK, add_matmul, between_zeros, block_length, its_own, tapwise_conv1d
from mlx_impl.ops.linear import matmul, sums_in_order


class Conv1d(nn.Conv1d):
    """`b t c` -> `b t c`. Weight `(out, k, in)`."""

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        y = self.product(between_zeros(x, self.padding))
        return y + self.bias if "bias" in self else y

    def product(self, x: mx.array) -> mx.array:
        if self.weight.shape[1] == 1 and self.stride == 1:
            return matmul(x, self.weight[:, 0].T)  # rounds as PyTorch's
        if sums_in_order(self.weight[0].size):
            return strided_conv1d(x, self.weight, self.stride, self.dilation)
        return tapwise_conv1d(x, self.weight, self.stride, self.dilation)


class Conv2d(nn.Conv2d):
    """`b f t c` -> `b f t c`. Weight `(out, kf, kt, in)`, stride over frequency only, no bias, no dilation."""

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        over_f, over_t = self.padding
        padded = mx.pad(x, ((0, 0), (over_f, over_f), (over_t, over_t), (0, 0)))
        terms = self.weight[0].size
        conv = strided_conv2d if terms <= BLOCK or sums_in_order(terms) else tapwise_conv2d
        return conv(padded, self.weight, self.stride[0])


class DepthwiseConv1d(nn.Conv1d):
    """`b t c` -> `b t c`. Each channel by itself, no padding; weight `(c, k, 1)`; k shifted products."""

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        taps = mx.contiguous(self.weight[:, :, 0].T)  # (k, c): a product with rows of it is vectorised
        frames = x.shape[1] - len(taps) + 1
        return sum(x[:, start : start + frames] * tap for start, tap in enumerate(taps))


def strided_conv1d(x: mx.array, weight: mx.array, stride: int, dilation: int) -> mx.array:
    """`x (B, T, in)`, `weight (out, k, in)` -> `(B, T', out)`, summed over blocks of k * in."""
    batch, frames, channels = x.shape
    width_out, kernel, _ = weight.shape
    outputs = (frames - dilation * (kernel - 1) - 1) // stride + 1
    shape = (batch, outputs, kernel, channels)
    windows = mx.as_strided(x, shape, (frames * channels, stride * channels, dilation * channels, 1))
    return blocked_product(windows.reshape(batch * outputs, -1), weight).reshape(batch, outputs, width_out)


def strided_conv2d(x: mx.array, weight: mx.array, stride: int) -> mx.array:
    """`x (B, F, T, in)`, `weight (out, kf, kt, in)` -> `(B, F', T', out)`, `stride` over F, summed over kf in turn."""
    batch, bins, frames, channels = x.shape
    width_out, over_f, over_t, _ = weight.shape
    rows, columns = (bins - over_f) // stride + 1, frames - over_t + 1
    row = frames * channels
    shape = (batch, rows, columns, over_f, over_t * channels)
    windows = mx.as_strided(x, shape, (bins * row, stride * row, channels, row, 1))
    y = blocked_product(windows.reshape(batch * rows * columns, -1), weight)
    return y.reshape(batch, rows, columns, width_out)


def tapwise_conv2d(x: mx.array, weight: mx.array, stride: int) -> mx.array:
    """What `strided_conv2d` computes, one product a tap: of the input as it lies, which is not copied for each tap.

    All frames of all bins are the rows of one matrix. A tap reads it from its own offset on, also across the end of a
    bin, and what comes of that is cut off. For a stride there is a matrix of every `stride`-th bin.
    """
    batch, bins, frames, channels = x.shape
    width_out, over_f, over_t, _ = weight.shape
    rows, columns = (bins - over_f) // stride + 1, frames - over_t + 1
    high = rows + (over_f - 1) // stride  # bins of a phase
    x = mx.pad(x, ((0, 0), (0, max(0, high * stride - bins)), (0, 0), (0, 0)))[:, : high * stride]
    phases = [x[:, phase::stride].reshape(1, batch * high * frames, channels) for phase in range(min(stride, over_f))]
    count = batch * high * frames - (high - rows) * frames - over_t + 1
    taps = mx.contiguous(weight.transpose(1, 2, 0, 3))  # (kf, kt, out, in)
    y = None
    for f in range(over_f):
        for t in range(over_t):
            start = f // stride * frames + t
            y = add_matmul(y, phases[f % stride][:, start : start + count], taps[f, t].T)
    return mx.as_strided(
        y, (batch, rows, columns, width_out), (high * frames * width_out, frames * width_out, width_out, 1)
    )


def blocked_product(rows: mx.array, weight: mx.array) -> mx.array:
    """`rows (R, n)` times `weight (out, ...)` of n values a row -> `(R, out)`, n summed in blocks."""
    length, width_out = rows.shape[1], weight.shape[0]
    block = block_length(length)
    rows = rows.reshape(-1, length // block, block).swapaxes(0, 1)  # (blocks, R, block)
    columns = weight.reshape(width_out, length // block, block).transpose(1, 2, 0)  # (blocks, block, out)
    return mx.sum(rows @ columns, axis=0)
