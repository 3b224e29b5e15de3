"""`mx.linalg`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from parity.exact.operations import linalg
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import Dtype
from parity.exact.standin.elementwise import doubled, inexact

NAMES = Names("linalg.")


@NAMES.operation
def norm(a: Any, /, ord: Any = None, axis: Any = None, keepdims: bool = False) -> array:
    a = asarray(a)
    found: array = _reported(linalg.norm(doubled(a), ord, axis, keepdims), inexact(a.dtype))
    return found


def _reported(value: Any, dtype: Dtype) -> Any:
    """Results with the dtype of what they were made of, real ones of complex numbers as float32."""
    if isinstance(value, tuple):
        return tuple(_reported(one, dtype) for one in value)
    kinds = {"c": dtypes.complex64, "u": dtypes.uint32}
    return wrapped(value, kinds.get(value.dtype.kind, dtypes.float32 if dtype is dtypes.complex64 else dtype))


def _of_matrices(name: str, compute: Callable[..., Any]) -> None:
    """`compute` gives one result or several, of one matrix or two and options."""
    signature = inspect.signature(compute)

    def function(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **{key.lower(): value for key, value in kwargs.items()}).arguments
        given: dict[str, Any] = {
            key: asarray(value) if key in ("a", "b", "factor") else value for key, value in bound.items()
        }
        dtype = inexact(next(iter(given.values())).dtype)
        return _reported(
            compute(**{key: doubled(value) if isinstance(value, array) else value for key, value in given.items()}),
            dtype,
        )

    function.__name__ = name
    NAMES.operation(function)


def _pinv(a: np.ndarray) -> np.ndarray:
    return linalg.pinv(a)


_MATRICES: dict[str, Callable[..., Any]] = {
    "cholesky": linalg.cholesky,
    "cholesky_inv": linalg.cholesky_inv,
    "cross": linalg.cross,
    "det": linalg.det,
    "eig": linalg.eig,
    "eigh": linalg.eigh,
    "eigvals": linalg.eigvals,
    "eigvalsh": linalg.eigvalsh,
    "inv": linalg.inv,
    "lu": linalg.lu,
    "lu_factor": linalg.lu_factor,
    "pinv": _pinv,
    "qr": linalg.qr,
    "slogdet": linalg.slogdet,
    "solve": linalg.solve,
    "solve_triangular": linalg.solve_triangular,
    "svd": linalg.svd,
    "tri_inv": linalg.tri_inv,
}
for _name, _compute in _MATRICES.items():
    _of_matrices(_name, _compute)
