"""Linear algebra of the last two axes by NumPy and SciPy, with the arguments and shapes of `mx.linalg`.

MLX gives LAPACK its rows as columns, the transposed matrix. The functions here give it the same matrix where the signs
of singular vectors or the order of eigenvalues depend on the choice; neither is promised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg


def norm(
    x: np.ndarray, ord: float | str | None = None, axis: int | Sequence[int] | None = None, keepdims: bool = False
) -> np.ndarray:
    """A vector norm along one axis, a matrix norm over two; without both `ord` and `axis` that of all values."""
    where = axis if axis is None or isinstance(axis, int) else tuple(axis)
    if isinstance(where, tuple) and len(where) == 1:
        where = where[0]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(np.linalg.norm(x, ord, where, keepdims))  # type: ignore[arg-type]


def qr(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Q (..., M, K) and R (..., K, N), K = min(M, N)."""
    q, r = np.linalg.qr(a)
    return q, r


def svd(a: np.ndarray, compute_uv: bool = True) -> tuple[np.ndarray, ...]:
    """U (..., M, M), the singular values (..., K), descending, and Vᵀ (..., N, N); or the values alone."""
    if not compute_uv:
        return (np.linalg.svd(a, compute_uv=False),)
    right, values, left = np.linalg.svd(np.swapaxes(a, -1, -2), full_matrices=True)
    return np.swapaxes(left, -1, -2), values, np.swapaxes(right, -1, -2)


def inv(a: np.ndarray) -> np.ndarray:
    """The inverse; a singular matrix raises `numpy.linalg.LinAlgError`."""
    return np.asarray(np.linalg.inv(a))


def tri_inv(a: np.ndarray, upper: bool = False) -> np.ndarray:
    """The inverse of the upper or lower triangle; what the other one holds is not read."""
    return np.asarray(np.linalg.inv(np.triu(a) if upper else np.tril(a)))


def cholesky(a: np.ndarray, upper: bool = False) -> np.ndarray:
    """The lower L of a = L Lᵀ, or its transpose (`upper`)."""
    return np.asarray(np.linalg.cholesky(a, upper=upper))


def cholesky_inv(factor: np.ndarray, upper: bool = False) -> np.ndarray:
    """The inverse of the matrix that has this factor of Cholesky's."""
    inverse = tri_inv(factor, upper)
    turned = np.swapaxes(inverse, -1, -2)
    return np.asarray(inverse @ turned if upper else turned @ inverse)


def pinv(a: np.ndarray, epsilon: float = float(np.finfo(np.float32).eps)) -> np.ndarray:
    """The pseudo-inverse: singular values up to 10 · max(M, N) · epsilon of the largest count as 0, as in MLX."""
    if a.size == 0:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    return np.asarray(np.linalg.pinv(a, rcond=10 * max(a.shape[-2:]) * epsilon))


def lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row indices p (uint32), L and U, so that a = L[p] U."""
    rows, lower, upper = scipy.linalg.lu(a, p_indices=True)
    return rows.astype(np.uint32), lower, upper


def lu_factor(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L and U in one matrix, and pivots (uint32): row i was exchanged with row pivots[i]."""
    packed, pivots = scipy.linalg.lu_factor(a)
    return packed, pivots.astype(np.uint32)


def solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """x of a x = b, where b is one vector or (..., N, K)."""
    return np.asarray(np.linalg.solve(a, b))


def solve_triangular(a: np.ndarray, b: np.ndarray, upper: bool = False) -> np.ndarray:
    """x of a x = b, of a's upper or lower triangle alone."""
    return np.asarray(np.linalg.solve(np.triu(a) if upper else np.tril(a), b))


def eig(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and right eigenvectors, complex also where all are real."""
    values, left = scipy.linalg.eig(np.swapaxes(a, -1, -2), left=True, right=False)
    return values.astype(np.complex128), np.conj(left).astype(np.complex128)


def eigvals(a: np.ndarray) -> np.ndarray:
    """Eigenvalues, complex also where all are real."""
    return np.asarray(np.linalg.eigvals(np.swapaxes(a, -1, -2))).astype(np.complex128)


def eigh(a: np.ndarray, uplo: str = "L") -> tuple[np.ndarray, np.ndarray]:
    """Ascending eigenvalues and eigenvectors of a symmetric or Hermitian matrix, of which one triangle is read."""
    values, vectors = np.linalg.eigh(np.conj(np.swapaxes(a, -1, -2)), "U" if uplo == "L" else "L")
    return values, vectors


def eigvalsh(a: np.ndarray, uplo: str = "L") -> np.ndarray:
    """Ascending eigenvalues of a symmetric or Hermitian matrix, of which one triangle is read."""
    return np.asarray(np.linalg.eigvalsh(a, "U" if uplo == "U" else "L"))


def det(a: np.ndarray) -> np.ndarray:
    """The determinant; 1 of an empty matrix."""
    return np.asarray(np.linalg.det(a))


def slogdet(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The determinant's sign, and the logarithm of its size: 0 and -∞ of a singular matrix."""
    sign, size = np.linalg.slogdet(a)
    return np.asarray(sign), np.asarray(size)


def cross(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """The cross product along an axis of 3 values, or of 2, whose third is 0: always 3 values."""
    a, b = (_three(each, axis) for each in (a, b))
    return np.asarray(np.cross(a, b, axis=axis))


def _three(x: np.ndarray, axis: int) -> np.ndarray:
    if x.shape[axis] == 3:
        return x
    return np.concatenate([x, np.zeros_like(np.take(x, [0], axis))], axis)
