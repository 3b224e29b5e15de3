"""Convolutions of this side: sums of matrix products, which round less than MLX's own on every device measured.

MLX's convolution is one long dot product over k * in values for each output. At 256 channels and k 3 it is 1.7 noise
floors of PyTorch's from the exact result on the CPU and 3.4 with CUDA; summed in blocks of 64 it is 1.1 on both. In
float32 all convolutions are therefore summed in blocks. On the CPU MLX's own loops for dilated, strided and transposed
convolutions also take a hundred times as long; on a GPU its own are up to 5 floors off. In half precision a GPU's
rounding is larger than that, and all convolutions are MLX's own (`its_own`). In float32 on an NVIDIA GPU a kernel takes
the widths that it can (`cuda/conv1d.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.cuda import conv1d as cuda
from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.linear import matmul
from mlx_impl.ops.order import sums_in_order
from mlx_impl.ops.taps import between_zeros, overlap_add, phased_conv1d, stacked_conv1d, tapwise_conv1d, tapwise_conv2d

WHOLE = 11
"""Kernels from which all taps are one product on a CPU: 1.0 floors off where BLAS divides it in runs of 192, as on AMD,
and 1.4 with runs of 384, as on Intel. With 7 it would be 1.2 and 1.7."""


def its_own(x: mx.array) -> bool:
    """Whether MLX's own convolution is used."""
    return on_gpu() and x.dtype != mx.float32


def pointwise(weight: mx.array, stride: int, padding: int) -> bool:
    """Whether each frame is convolved by itself: a product of the frames as they lie."""
    return weight.shape[1] == stride == 1 and not padding


def as_one_product(weight: mx.array, stride: int) -> bool:
    """Whether all taps of a weight `(out, k, in)` are one product."""
    _, kernel, channels = weight.shape
    return stride == 1 and kernel >= WHOLE and not on_gpu() and not sums_in_order(kernel * channels)


def in_float32(*arrays: mx.array) -> Iterator[mx.array]:
    """As float32: half precision on a CPU would be rounded at every product that is added."""
    return (array.astype(mx.float32) for array in arrays)


class Conv1d(nn.Conv1d):
    """`b t c` -> `b t c`. Any stride, padding and dilation; weight `(out, k, in)`."""

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        bias = self.bias if "bias" in self else mx.zeros(len(self.weight))
        return self.convolved(*in_float32(x, self.weight, bias)).astype(x.dtype)

    def convolved(self, x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
        if pointwise(weight, self.stride, self.padding):
            return matmul(x, weight[:, 0].T) + bias
        if self.stride == 1 and cuda.applies(x, weight, self.dilation):
            return cuda.conv1d(x, weight, bias, self.padding, self.dilation)
        if as_one_product(weight, self.stride):
            return phased_conv1d(x, weight, bias, self.padding, self.dilation)
        convolve = stacked_conv1d if on_gpu() else tapwise_conv1d
        return convolve(between_zeros(x, self.padding), weight, self.stride, self.dilation) + bias


class ConvTranspose1d(nn.ConvTranspose1d):
    """`b t c` -> `b s c`. Each frame becomes k, `stride` apart from the next one's; weight `(out, k, in)`.

    `padding` frames are cut off at both ends. MLX's CPU loop takes fifty times as long as these matrix products.
    """

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        return self.convolved(*in_float32(x, self.weight, self.bias)).astype(x.dtype)

    def convolved(self, x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
        width_out, kernel, _ = weight.shape
        weight = weight.swapaxes(0, 1).reshape(kernel * width_out, 1, -1)
        convolve = stacked_conv1d if on_gpu() else tapwise_conv1d
        frames = convolve(x, weight).reshape(*x.shape[:2], kernel, width_out)
        y = overlap_add(frames, self.stride)
        return y[:, self.padding : y.shape[1] - self.padding] + bias


class Conv2d(nn.Conv2d):
    """`b f t c` -> `b f t c`. Weight `(out, k, k, in)`, stride over frequency only, no bias, no dilation."""

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        padded = mx.pad(x, [(0, 0), *((edge, edge) for edge in self.padding), (0, 0)])
        return tapwise_conv2d(padded, self.weight, self.stride[0])


class DepthwiseConv1d(nn.Conv1d):
    """`b t c` -> `b t c`. Each channel by itself, no padding; weight `(c, k, 1)`; k shifted products."""

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        taps = mx.contiguous(self.weight[:, :, 0].T)  # (k, c): a product with rows of it is vectorised
        frames = x.shape[1] - len(taps) + 1
        return sum(x[:, start : start + frames] * tap for start, tap in enumerate(taps))
