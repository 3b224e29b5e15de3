"""Primitives of linear algebra. Signs of factors, and the order of eigenvalues, are LAPACK's, as in MLX."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.exact.operations import linalg
from parity.exact.primitives.registry import primitive

primitive("QRF")(linalg.qr)


@primitive("SVD", "with_vectors")
def svd(a: np.ndarray, *, with_vectors: bool) -> Any:
    return linalg.svd(a, with_vectors)


@primitive("Inverse", "triangular", "upper")
def inverse(a: np.ndarray, *, triangular: bool, upper: bool) -> np.ndarray:
    return linalg.tri_inv(a, upper) if triangular else linalg.inv(a)


@primitive("Cholesky", "upper")
def cholesky(a: np.ndarray, *, upper: bool) -> np.ndarray:
    return linalg.cholesky(a, upper)


@primitive("Eig", "with_vectors")
def eig(a: np.ndarray, *, with_vectors: bool) -> Any:
    return linalg.eig(a) if with_vectors else linalg.eigvals(a)


@primitive("Eigh", "triangle", "with_vectors")
def eigh(a: np.ndarray, *, triangle: str, with_vectors: bool) -> Any:
    return linalg.eigh(a, triangle) if with_vectors else linalg.eigvalsh(a, triangle)


# MLX cannot export its LU factorisation: what is made of it is traced as one operation (parity/exact/mlx/opaque.py).
for _name in ("lu", "lu_factor", "solve", "det", "slogdet"):
    primitive(f"linalg.{_name}")(getattr(linalg, _name))
