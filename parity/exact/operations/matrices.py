"""Products of matrices in double, on all cores."""

from __future__ import annotations

import numpy as np

from parity.exact.operations.cores import MUCH, each, one_thread, pieces

FEW, BLOCK = 8, 128
"""Rows for which a product takes as long as reading the matrix, and how many columns of it each row in turn is
multiplied with: a processor's cache holds them meanwhile. For a product of matrices the BLAS copies them first, which
takes twice as long."""

READ = 16
"""Multiplications that take as long as reading a number."""


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a @ b`; a matrix that all entries of a batch share takes one product of matrices, not one each."""
    if b.ndim == 2 and a.ndim > 1 and a.flags.c_contiguous:
        made = _of_matrices(a.reshape(-1, a.shape[-1]), b)
        return np.asarray(made.reshape(*a.shape[:-1], b.shape[-1]))
    if a.ndim > 2 and a.shape[:-2] == b.shape[:-2] and a.size * b.shape[-1] >= MUCH:
        return _of_batches(a, b)
    with one_thread():
        return np.asarray(np.matmul(a, b))


def _of_batches(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In pieces of the batch."""
    made = np.empty((*a.shape[:-1], b.shape[-1]), np.result_type(a, b))
    places = list(np.ndindex(a.shape[:-2]))

    def entries(part: slice) -> None:
        for place in places[part]:
            np.dot(a[place], b[place], out=made[place])

    each(entries, pieces(len(places)), a.size * b.shape[-1])
    return made


def _of_matrices(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In pieces: of the columns where there are few rows, else of the rows."""
    made = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    if len(a) <= FEW and b.shape[1] > BLOCK:

        def columns(part: slice) -> None:
            for start in range(part.start, part.stop, BLOCK):
                block = slice(start, min(start + BLOCK, part.stop))
                for row, out in zip(a, made, strict=True):
                    np.dot(b[:, block].T, row, out=out[block])

        each(columns, pieces(b.shape[1]), READ * b.size)
    else:

        def rows(part: slice) -> None:
            np.dot(a[part], b, out=made[part])

        each(rows, pieces(len(a)), a.size * b.shape[1])
    return made
