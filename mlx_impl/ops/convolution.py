"""Convolutions of this side: sums of matrix products, which round less than MLX's own on every device measured.

MLX's convolution is one long dot product over k * in values for each output. At 256 channels and k 3 it is 1.7 noise
floors of PyTorch's from the exact result on the CPU and 3.4 with CUDA; summed in blocks of 64 it is 1.1 on both. So all
are in float32: on the CPU, where MLX's own loops for dilated, strided and transposed ones take a hundred times as long
besides, and on a GPU, where its own are up to 5 floors off. In half precision there, whose rounding is larger than
that, all are MLX's own (`its_own`); in float32 on an NVIDIA GPU a kernel takes the widths that it can
(`cuda/conv1d.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, reduce
from itertools import starmap
from operator import add

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.cuda import conv1d as cuda
from mlx_impl.ops.device import on_gpu
from mlx_impl.ops.linear import root, sums_in_order

BLOCK = 64
"""The longest run of products that is summed in one go: shorter rounds less and costs more additions."""

LONG = 7
"""Kernels from which a tap is one run if it has up to 256 channels: a third faster, and at most 1.1 floors off, since
PyTorch's own sums grow with the kernel. With 3 it would be 1.5."""

WHOLE = 11
"""Kernels from which all taps are one product on a CPU: 1.0 floors off where BLAS divides it in runs of 192, as on AMD,
and 1.4 with runs of 384, as on Intel. With 7 it would be 1.2 and 1.7."""


def its_own(x: mx.array) -> bool:
    """Whether MLX's own convolution is used."""
    return on_gpu() and x.dtype != mx.float32


def in_float32(*arrays: mx.array) -> Iterator[mx.array]:
    """As float32: half precision on a CPU would be rounded at every product that is added."""
    return (array.astype(mx.float32) for array in arrays)


class Conv1d(nn.Conv1d):
    """`b t c` -> `b t c`. Any stride, padding and dilation; weight `(out, k, in)`."""

    def __call__(self, x: mx.array) -> mx.array:
        if its_own(x):
            return super().__call__(x)
        return self.convolved(*in_float32(x, self.weight, self.bias)).astype(x.dtype)

    def convolved(self, x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
        _, kernel, channels = weight.shape
        if self.stride == 1 and cuda.applies(x, weight, self.dilation):
            return cuda.conv1d(x, weight, bias, self.padding, self.dilation)
        if self.stride == 1 and kernel >= WHOLE and not on_gpu() and not sums_in_order(kernel * channels):
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


def phased_conv1d(x: mx.array, weight: mx.array, bias: mx.array, padding: int, dilation: int) -> mx.array:
    """`x (B, T, in)`, `weight (out, k, in)`, `bias (out)` -> `(B, T + 2 padding - dilation (k - 1), out)`.

    Where neighbouring frames are convolved, a window is k * in values in one piece, and every k-th window is a row of
    `x` cut into rows of that length. So each of the k phases is a product of `x` as it lies, from another frame on, of
    all taps at once. Dilation takes frames that are `dilation` apart: they are brought together first.
    """
    batch, frames, channels = x.shape
    width_out, kernel, _ = weight.shape
    outputs = frames + 2 * padding - dilation * (kernel - 1)
    rows = -(-(frames + 2 * padding) // (dilation * kernel))  # of a phase and a residue
    x = by_residue(x, padding, dilation, rows * kernel, kernel - 1)
    phases = mx.as_strided(
        x,
        (batch, kernel, dilation * rows, kernel * channels),
        (x.shape[1] * channels, channels, kernel * channels, 1),
    )
    columns = weight.reshape(1, 1, width_out, kernel * channels).swapaxes(2, 3)  # of four axes: `phases` is not copied
    y = (phases @ columns).reshape(batch, kernel, dilation, rows, width_out)
    y = y.transpose(0, 3, 1, 2, 4) + bias  # one pass brings the frames back in order, too
    return y.reshape(batch, rows * kernel * dilation, width_out)[:, :outputs]


def by_residue(x: mx.array, padding: int, modulus: int, length: int, more: int) -> mx.array:
    """`x (B, T, c)` between zeros -> `(B, modulus * length + more, c)`, its frames by their number's residue.

    Each residue's are followed by zeros up to `length`, and the last one's by `more`.
    """
    batch, _, channels = x.shape
    parts = []
    for residue in range(modulus):
        before = max(0, -((residue - padding) // modulus))
        part = x[:, before * modulus + residue - padding :: modulus]
        after = length - before - part.shape[1] + (more if residue == modulus - 1 else 0)
        zeros = mx.zeros((batch, max(before, after), channels), dtype=x.dtype)
        parts += [zeros[:, :before], part, zeros[:, :after]]
    return mx.concatenate(parts, axis=1)


def tapwise_conv1d(x: mx.array, weight: mx.array, stride: int = 1, dilation: int = 1) -> mx.array:
    """`x (B, T, in)`, `weight (out, k, in)` -> `(B, (T - dilation (k - 1) - 1) // stride + 1, out)`, without a bias."""
    width_out, kernel, channels = weight.shape
    outputs = (x.shape[1] - dilation * (kernel - 1) - 1) // stride + 1
    block = largest_divisor(channels, run_length(kernel, channels))
    weight = weight.reshape(width_out, kernel, channels // block, block)
    blocks = mx.contiguous(weight.transpose(2, 1, 0, 3))  # (blocks, k, out, block): each matrix is read as it lies
    y = None  # not the bias: begun with, it makes every sum after it round like itself; PyTorch adds it last
    for index, taps in enumerate(blocks):
        part = in_one_piece(x[:, :, index * block : (index + 1) * block], block < channels)  # once for all taps
        for tap, matrix in enumerate(taps):
            start = tap * dilation
            y = add_matmul(y, part[:, start : start + (outputs - 1) * stride + 1 : stride], matrix.T, block)
    return y


def stacked_conv1d(x: mx.array, weight: mx.array, stride: int = 1, dilation: int = 1) -> mx.array:
    """`x (B, T, in)`, `weight (out, k, in)` -> `(B, (T - dilation (k - 1) - 1) // stride + 1, out)`.

    The runs of `tapwise_conv1d`, but as one product of all taps and blocks, and one sum of what it gives: a GPU spends
    its time on launches, and one each would be dozens.
    """
    batch, frames, channels = x.shape
    width_out, kernel, _ = weight.shape
    outputs = (frames - dilation * (kernel - 1) - 1) // stride + 1
    # Few channels without dilation: a window lies in one piece, and is taken for a single tap.
    taps, width = (1, kernel * channels) if dilation == 1 and channels < BLOCK else (kernel, channels)
    block = largest_divisor(width, run_length(kernel, width))
    blocks = width // block
    rows = mx.as_strided(
        x,
        (taps, blocks, batch, outputs, block),
        (dilation * channels, block, frames * channels, stride * channels, 1),
    ).reshape(taps * blocks, batch * outputs, block)
    columns = mx.contiguous(weight.reshape(width_out, taps * blocks, block).swapaxes(0, 1))
    parts = rows @ columns.swapaxes(1, 2)  # (k * blocks, B * T', out)
    return (parts[0] if len(parts) == 1 else mx.sum(parts, axis=0)).reshape(batch, outputs, width_out)


def between_zeros(x: mx.array, padding: int) -> mx.array:
    """`x (B, T, c)` with zero frames before and after. On a GPU `mx.pad` fills the whole of it first."""
    if not padding:
        return x
    zeros = mx.zeros((len(x), padding, x.shape[2]), dtype=x.dtype)
    return mx.concatenate([zeros, x, zeros], axis=1)


def run_length(kernel: int, width: int) -> int:
    """The longest run of products: what rounds no more than PyTorch, whose own sums grow with the kernel."""
    return 256 if kernel >= LONG and width <= 256 else BLOCK


def in_one_piece(rows: mx.array, cut: bool) -> mx.array:
    """`(B, T, c)` in one piece. What is `cut` out, by a product with 1, which takes MLX half the time of a copy."""
    return rows * 1 if cut else mx.contiguous(rows)


def add_matmul(total: mx.array | None, x: mx.array, weight: mx.array, longest: int = BLOCK) -> mx.array:
    """`total (B, T, out)`, if there is one, plus `x (B, T, in)` times `weight (in, out)`.

    Each block of `in` is added within the matrix product, which spares a pass over the result; but not where that
    product adds its terms to the total one after the other.
    """
    length = x.shape[2]
    in_order = sums_in_order(length)
    block = largest_divisor(length, min(longest, root(length)) if in_order else longest)
    parts = ((x[:, :, start : start + block], weight[start : start + block]) for start in range(0, length, block))
    if in_order:
        y = reduce(add, starmap(mx.matmul, parts))
        return y if total is None else total + y
    y = mx.matmul(*next(parts)) if total is None else total
    return reduce(lambda y, part: mx.addmm(y, *part), parts, y)


def overlap_add(frames: mx.array, hop: int) -> mx.array:
    """Frames `(B, F, n, c)`, each `hop` after the one before -> their sum `(B, hop (F - 1) + n, c)`."""
    batch, count, length, channels = frames.shape
    parts = -(-length // hop)
    padded = mx.pad(frames, ((0, 0), (0, 0), (0, parts * hop - length), (0, 0)))
    padded = padded.reshape(batch, count, parts, hop * channels)
    shifted = (mx.pad(padded[:, :, part], ((0, 0), (part, parts - 1 - part), (0, 0))) for part in range(parts))
    y = reduce(add, shifted)  # (B, F + parts - 1, hop * c)
    return y.reshape(batch, (count + parts - 1) * hop, channels)[:, : hop * (count - 1) + length]


def block_length(length: int) -> int:
    """Into what blocks a sum is divided, all of one length: shorter ones where the device sums in order."""
    return largest_divisor(length, min(BLOCK, root(length)) if sums_in_order(length) else BLOCK)


@lru_cache
def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` that is at most `limit`."""
    return next(divisor for divisor in range(min(number, limit), 0, -1) if number % divisor == 0)
