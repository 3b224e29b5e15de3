"""Products of matrices with gathered, segmented or masked operands, and Hadamard's transform."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.linalg

from parity.base.errors import InputError


def batch_indices(indices: np.ndarray | None, batch: tuple[int, ...]) -> np.ndarray:
    """Flat indices of matrices; where none are given, every matrix in order, of the shape of the batch."""
    if indices is None:
        return np.arange(math.prod(batch)).reshape(batch)
    return np.asarray(indices).astype(np.int64, copy=False)


def gather_mm(
    a: np.ndarray, b: np.ndarray, lhs_indices: np.ndarray | None = None, rhs_indices: np.ndarray | None = None
) -> np.ndarray:
    """Products of the matrices of a (..., M, K) and b (..., K, N) that flat indices choose: (indices, M, N).

    Both arrays of indices are broadcast. One that is missing is every matrix in order.
    """
    matrices = b.reshape(-1, *b.shape[-2:])
    return gathered_products(a, b.shape[:-2], b.shape[-1], lhs_indices, rhs_indices, lambda each: matrices[each])


def gathered_products(
    a: np.ndarray,
    batch: tuple[int, ...],
    columns: int,
    lhs_indices: np.ndarray | None,
    rhs_indices: np.ndarray | None,
    matrix: Callable[[int], np.ndarray],
) -> np.ndarray:
    """`gather_mm` where `matrix` gives a right-hand matrix by its index: each that is used is asked for once."""
    left, right = np.broadcast_arrays(batch_indices(lhs_indices, a.shape[:-2]), batch_indices(rhs_indices, batch))
    rows = a.reshape(-1, *a.shape[-2:])
    out = np.zeros((*left.shape, a.shape[-2], columns), np.result_type(a, np.float64))
    for each in np.unique(right):
        chosen = right == each
        out[chosen] = rows[left[chosen]] @ matrix(int(each))
    return out


def segmented_mm(a: np.ndarray, b: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """a[:, start:end] b[start:end] of each segment (..., 2), a (M, K), b (K, N): (..., M, N); 0 where it is empty."""
    out = np.zeros((segments.size // 2, a.shape[0], b.shape[1]), np.result_type(a, b))
    for place, (start, end) in enumerate(segments.reshape(-1, 2).astype(np.int64)):
        out[place] = a[:, start:end] @ b[start:end]
    return out.reshape(*segments.shape[:-1], *out.shape[1:])


def block_masked_mm(
    a: np.ndarray,
    b: np.ndarray,
    block_size: int,
    mask_out: np.ndarray | None = None,
    mask_lhs: np.ndarray | None = None,
    mask_rhs: np.ndarray | None = None,
) -> np.ndarray:
    """a b where blocks of a, b and the result are each scaled by their entry of a mask; false or 0 leaves zeros."""
    product = _masked(a, mask_lhs, block_size) @ _masked(b, mask_rhs, block_size)
    return _masked(np.asarray(product), mask_out, block_size)


def _masked(x: np.ndarray, mask: np.ndarray | None, block: int) -> np.ndarray:
    if mask is None:
        return x
    spread = np.repeat(np.repeat(mask, block, axis=-2), block, axis=-1)[..., : x.shape[-2], : x.shape[-1]]
    # A masked block is zero even where it holds ∞ or NaN.
    return np.asarray(np.where(spread != 0, x, 0) * spread)


def hadamard_transform(x: np.ndarray, scale: float | None = None) -> np.ndarray:
    """scale · H x along the last axis of n = m · 2^k values, m in (1, 12, 20, 28); scale is 1 / √n by default.

    H is Sloane's matrix of order m as it stands in MLX, each entry of it times Sylvester's matrix of order 2^k.
    """
    size = x.shape[-1] if x.ndim else 1
    scale = 1 / math.sqrt(size) if scale is None else scale
    if size == 1:
        return np.asarray(x * scale)
    order = 1 if size & (size - 1) == 0 else next((m for m in _CIRCULANT if size % m == 0), 0)
    rest = size // order if order else 0
    if rest == 0 or rest & (rest - 1):
        raise InputError(f"Hadamard's transform takes m · 2^k values, m in (1, 12, 20, 28); got {size}")
    halves = x.reshape(*x.shape[:-1], order, rest) @ scipy.linalg.hadamard(rest)
    return np.asarray((_sloane(order) @ halves).reshape(x.shape) * scale)


_CIRCULANT = {
    12: (
        "+-++++++++++ --+-+-+-+-+- +++-++----++ +---+--+-++- +++++-++---- +-+---+--+-+",
        "++--+++-++-- +--++---+--+ ++----+++-++ +--+-++---+- ++++----+++- +-+--+-++---",
    ),
    20: ("+----+----++--++-++- -+++++-----+--+++--+", "--++-+-++-+-----++++ -+--+--++-+----+----"),
    28: (
        "+------++----++-+--+-+--++-- --++++-+-------++--+++-+--+-",
        "-+-++-++--++--+--------++++- -++--++-+-++-+++----++------",
    ),
}
"""Sloane's matrices are made of circulant blocks, of 1, 5 and 7 rows: the first row of every row of blocks."""


def _sloane(order: int) -> np.ndarray:
    if order == 1:
        return np.ones((1, 1))
    first = np.array([[1.0 if sign == "+" else -1.0 for sign in row] for row in " ".join(_CIRCULANT[order]).split()])
    size = order // len(first)
    blocks = first.reshape(len(first), -1, size)
    shifts = (np.arange(size) - np.arange(size)[:, None]) % size
    return blocks[:, :, shifts].transpose(0, 2, 1, 3).reshape(order, order)
