"""Orders of values along an axis. Among ties the order is NumPy's stable one; MLX promises none."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, operands, wrapped
from parity.exact.standin.dispatch import Names

NAMES = Names()


def _laid(a: Any, axis: int | None) -> tuple[array, int]:
    a = asarray(a)
    return (wrapped(a.value.reshape(-1), a.dtype), 0) if axis is None else (a, axis)


@NAMES.operation
def sort(a: Any, /, axis: int | None = -1) -> array:
    a, axis = _laid(a, axis)
    return wrapped(np.sort(a.value, axis, kind="stable"), a.dtype)


@NAMES.operation
def argsort(a: Any, /, axis: int | None = -1) -> array:
    a, axis = _laid(a, axis)
    return wrapped(np.argsort(a.value, axis, kind="stable").astype(np.uint32), dtypes.uint32)


@NAMES.operation
def partition(a: Any, /, kth: int, axis: int | None = -1) -> array:
    """Sorted altogether, which is one of the orders that a partition may give."""
    a, axis = _laid(a, axis)
    return wrapped(np.sort(a.value, axis, kind="stable"), a.dtype)


@NAMES.operation
def argpartition(a: Any, /, kth: int, axis: int | None = -1) -> array:
    """The order of `argsort`, which is one of those that a partition may give."""
    a, axis = _laid(a, axis)
    return wrapped(np.argsort(a.value, axis, kind="stable").astype(np.uint32), dtypes.uint32)


@NAMES.operation
def topk(a: Any, /, k: int, axis: int | None = -1) -> array:
    """The `k` largest in ascending order."""
    a, axis = _laid(a, axis)
    value = np.sort(a.value, axis, kind="stable")
    return wrapped(np.take(value, range(value.shape[axis] - k, value.shape[axis]), axis), a.dtype)


@NAMES.operation
def searchsorted(sorted_sequence: Any, values: Any, /, side: str = "left") -> array:
    a, values = operands(sorted_sequence, values)
    return wrapped(np.searchsorted(a.value, values.value, side).astype(np.uint32), dtypes.uint32)  # type: ignore[call-overload]
