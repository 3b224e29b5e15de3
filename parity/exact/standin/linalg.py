"""`mx.linalg`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.elementwise import doubled, inexact

NAMES = Names("linalg.")


@NAMES.operation
def norm(a: Any, /, ord: Any = None, axis: Any = None, keepdims: bool = False) -> array:
    a = asarray(a)
    value = doubled(a)
    if axis is None and ord is None:
        value = value.reshape(-1) if not keepdims else value
        found = np.sqrt(np.sum(np.abs(value) ** 2, keepdims=keepdims))
    else:
        axis = tuple(axis) if isinstance(axis, list | tuple) else axis
        if isinstance(axis, tuple) and len(axis) == 1:
            axis = axis[0]
        found = np.linalg.norm(value, ord, axis, keepdims)
    return wrapped(found, dtypes.float32 if a.dtype is dtypes.complex64 else inexact(a.dtype))


def _of_matrices(name: str, compute: Callable[..., Any]) -> None:
    """`compute` gives one array or several of the argument's dtype, from arrays and options."""

    def function(*args: Any, **kwargs: Any) -> Any:
        arrays = [asarray(a) if isinstance(a, array) else a for a in args]
        dtype = inexact(arrays[0].dtype)
        found = compute(*(doubled(a) if isinstance(a, array) else a for a in arrays), **kwargs)
        return tuple(wrapped(one, dtype) for one in found) if isinstance(found, tuple) else wrapped(found, dtype)

    function.__name__ = name
    NAMES.operation(function)


def _cholesky(a: np.ndarray, upper: bool = False) -> Any:
    lower = np.linalg.cholesky(a)
    return np.swapaxes(lower, -1, -2) if upper else lower


def _cholesky_inv(a: np.ndarray, upper: bool = False) -> Any:
    transposed = np.swapaxes(a, -1, -2)
    return np.linalg.inv(transposed @ a if upper else a @ transposed)


def _svd(a: np.ndarray, compute_uv: bool = True) -> Any:
    return tuple(np.linalg.svd(a)) if compute_uv else np.linalg.svd(a, compute_uv=False)


def _solve(a: np.ndarray, b: np.ndarray) -> Any:
    return np.linalg.solve(a, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else np.linalg.solve(a, b)


def _solve_triangular(a: np.ndarray, b: np.ndarray, upper: bool = False) -> Any:
    return _solve(np.triu(a) if upper else np.tril(a), b)


for _name, _compute in {
    "cholesky": _cholesky,
    "cholesky_inv": _cholesky_inv,
    "cross": lambda a, b, axis=-1: np.cross(a, b, axis=axis),
    "det": np.linalg.det,
    "inv": np.linalg.inv,
    "pinv": np.linalg.pinv,
    "qr": lambda a: tuple(np.linalg.qr(a)),
    "slogdet": lambda a: tuple(np.linalg.slogdet(a)),
    "solve": _solve,
    "solve_triangular": _solve_triangular,
    "svd": _svd,
    "tri_inv": lambda a, upper=False: np.linalg.inv(np.triu(a) if upper else np.tril(a)),
    "eigh": lambda a, UPLO="L": tuple(np.linalg.eigh(a, UPLO)),
    "eigvalsh": lambda a, UPLO="L": np.linalg.eigvalsh(a, UPLO),
}.items():
    _of_matrices(_name, _compute)


@NAMES.operation
def eig(a: Any) -> tuple[array, array]:
    values, vectors = np.linalg.eig(doubled(asarray(a)))
    return wrapped(values + 0j, dtypes.complex64), wrapped(vectors + 0j, dtypes.complex64)


@NAMES.operation
def eigvals(a: Any) -> array:
    return wrapped(np.linalg.eigvals(doubled(asarray(a))) + 0j, dtypes.complex64)


@NAMES.operation
def lu(a: Any) -> tuple[array, array, array]:
    """Row order, lower and upper factor: a = L[order] @ U."""
    a = asarray(a)
    order, lower, upper = scipy.linalg.lu(doubled(a), p_indices=True)
    dtype = inexact(a.dtype)
    return wrapped(order.astype(np.uint32), dtypes.uint32), wrapped(lower, dtype), wrapped(upper, dtype)


@NAMES.operation
def lu_factor(a: Any) -> tuple[array, array]:
    a = asarray(a)
    factors, pivots = scipy.linalg.lu_factor(doubled(a))
    return wrapped(factors, inexact(a.dtype)), wrapped(pivots.astype(np.uint32), dtypes.uint32)
