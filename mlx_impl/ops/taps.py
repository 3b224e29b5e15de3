"""Convolutions as sums of matrix products, one or more for each tap of the kernel."""

from __future__ import annotations

from functools import lru_cache, reduce
from itertools import starmap
from operator import add

import mlx.core as mx

from mlx_impl.ops.linear import root
from mlx_impl.ops.order import sums_in_order

BLOCK = 64
"""The longest run of products that is summed in one go: shorter rounds less and costs more additions."""

LONG = 7
"""Kernels from which a tap is one run if it has up to 256 channels: a third faster, and at most 1.1 floors off, since
PyTorch's own sums grow with the kernel. With 3 it would be 1.5."""


def phased_conv1d(x: mx.array, weight: mx.array, bias: mx.array, padding: int, dilation: int) -> mx.array:
    """`x (B, T, in)`, `weight (out, k, in)`, `bias (out)` -> `(B, T + 2 padding - dilation (k - 1), out)`.

    Where neighbouring frames are convolved, a window is k * in values in one piece, and every k-th window is a row of
    `x` cut into rows of that length. Each of the k phases is therefore a product of `x` as it lies, from another frame
    on, of all taps at once. Dilation takes frames that are `dilation` apart, and such frames are brought together
    first.
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
    y = (phases @ columns).reshape(batch, kernel * dilation, rows, width_out)
    y = y.swapaxes(1, 2) + bias  # one pass brings the frames back in order, too
    return y.reshape(batch, rows * kernel * dilation, width_out)[:, :outputs]


def by_residue(x: mx.array, padding: int, modulus: int, length: int, more: int) -> mx.array:
    """`x (B, T, c)` between zeros -> `(B, modulus * length + more, c)`, its frames by their number's residue.

    Each residue's are followed by zeros up to `length`, and the last one's by `more`.
    """
    batch, _, channels = x.shape
    parts = []
    for residue in range(modulus):
        before = -((residue - padding) // modulus)
        part = x[:, before * modulus + residue - padding :: modulus]
        after = length - before - part.shape[1] + (more if residue == modulus - 1 else 0)
        zeros = mx.zeros((batch, max(before, after), channels))
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
        part = in_one_piece(x[:, :, index * block : (index + 1) * block], x)  # once for all taps
        for tap, matrix in enumerate(taps):
            start = tap * dilation
            y = add_matmul(y, part[:, start : start + (outputs - 1) * stride + 1 : stride], matrix.T, block)
    return y


def tapwise_conv2d(x: mx.array, weight: mx.array, stride: int) -> mx.array:
    """`x (B, F, T, in)`, `weight (out, k, k, in)` -> `(B, F', T', out)`, F a multiple of `stride`: one product a tap.

    All frames of all bins are the rows of one matrix. A tap reads it from its own offset on, also across the end of a
    bin, and what comes of that is cut off. For a stride there is a matrix of every `stride`-th bin.
    """
    batch, bins, frames, channels = x.shape
    width_out, kernel, *_ = weight.shape
    rows, columns = (bins - kernel) // stride + 1, frames - kernel + 1
    high = bins // stride  # of a phase
    phases = [x[:, phase::stride].reshape(1, batch * high * frames, channels) for phase in range(stride)]
    count = batch * high * frames - (high - rows) * frames - kernel + 1
    taps = mx.contiguous(weight.transpose(1, 2, 0, 3))  # (k, k, out, in)
    y = None
    for f in range(kernel):
        for t in range(kernel):
            start = f // stride * frames + t
            y = add_matmul(y, phases[f % stride][:, start : start + count], taps[f, t].T)
    return mx.as_strided(
        y, (batch, rows, columns, width_out), (high * frames * width_out, frames * width_out, width_out, 1)
    )


def stacked_conv1d(x: mx.array, weight: mx.array, stride: int = 1, dilation: int = 1) -> mx.array:
    """`x (B, T, in)`, `weight (out, k, in)` -> `(B, (T - dilation (k - 1) - 1) // stride + 1, out)`.

    The runs of `tapwise_conv1d`, but as one product of all taps and blocks, and one sum of what it gives: a GPU spends
    its time on launches, and one each would be dozens.
    """
    batch, frames, channels = x.shape
    width_out, kernel, _ = weight.shape
    outputs = (frames - dilation * (kernel - 1) - 1) // stride + 1
    # Few channels without dilation: a window lies in one piece, and is taken for a single tap.
    taps, width = (1, kernel * channels) if dilation == 1 and narrow(channels) else (kernel, channels)
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
    zeros = mx.zeros((len(x), padding, x.shape[2]))
    return mx.concatenate([zeros, x, zeros], axis=1)


def narrow(channels: int) -> bool:
    """Whether a window of neighbouring frames is taken for a single tap."""
    return channels < BLOCK


def run_length(kernel: int, width: int) -> int:
    """The longest run of products: what rounds no more than PyTorch, whose own sums grow with the kernel."""
    return 256 if kernel >= LONG and width <= 256 else BLOCK


def in_one_piece(rows: mx.array, whole: mx.array) -> mx.array:
    """`(B, T, c)` in one piece. What is cut out of the `whole`, by a product with 1: half the time of MLX's copy."""
    return rows * 1 if rows.shape[2] < whole.shape[2] else mx.contiguous(rows)


def add_matmul(total: mx.array | None, x: mx.array, weight: mx.array, longest: int = BLOCK) -> mx.array:
    """`total (B, T, out)`, if there is one, plus `x (B, T, in)` times `weight (in, out)`.

    Each block of `in` is added within the matrix product, which spares a pass over the result; but not where that
    product adds its terms to the total one after the other.
    """
    length = x.shape[2]
    block = largest_divisor(length, block_in(length, longest))
    parts = ((x[:, :, start : start + block], weight[start : start + block]) for start in range(0, length, block))
    if sums_in_order(length):
        y = reduce(add, starmap(mx.matmul, parts))
        return y if total is None else total + y
    y = mx.matmul(*next(parts)) if total is None else total
    return reduce(lambda y, part: mx.addmm(y, *part), parts, y)


def block_in(length: int, longest: int) -> int:
    """How many of so many terms are summed in one go, where they are added in order fewer."""
    return min(longest, root(length)) if sums_in_order(length) else longest


def overlap_add(frames: mx.array, hop: int) -> mx.array:
    """Frames `(B, F, n, c)`, each `hop` after the one before -> their sum `(B, hop (F - 1) + n, c)`."""
    batch, count, length, channels = frames.shape
    parts = -(-length // hop)
    padded = mx.pad(frames, ((0, 0), (0, 0), (0, parts * hop - length), (0, 0)))
    padded = padded.reshape(batch, count, parts, hop * channels)
    shifted = (mx.pad(padded[:, :, part], ((0, 0), (part, parts - 1 - part), (0, 0))) for part in range(parts))
    y = reduce(add, shifted)  # (B, F + parts - 1, hop * c)
    return y.reshape(batch, (count + parts - 1) * hop, channels)[:, : hop * (count - 1) + length]


@lru_cache
def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` that is at most `limit`."""
    return next(divisor for divisor in range(limit, 0, -1) if number % divisor == 0)
