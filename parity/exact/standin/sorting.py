"""Orders of values along an axis. Among ties MLX promises no order, and has one of its own."""

from __future__ import annotations

from typing import Any

from parity.exact.operations import sorting
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, operands, wrapped
from parity.exact.standin.dispatch import Names

NAMES = Names()


@NAMES.operation
def sort(a: Any, /, axis: int | None = -1) -> array:
    a = asarray(a)
    return wrapped(sorting.sort(a.value, axis), a.dtype)


@NAMES.operation
def argsort(a: Any, /, axis: int | None = -1) -> array:
    return wrapped(sorting.argsort(asarray(a).value, axis), dtypes.uint32)


@NAMES.operation
def partition(a: Any, /, kth: int, axis: int | None = -1) -> array:
    a = asarray(a)
    return wrapped(sorting.partition(a.value, kth, axis), a.dtype)


@NAMES.operation
def argpartition(a: Any, /, kth: int, axis: int | None = -1) -> array:
    return wrapped(sorting.argpartition(asarray(a).value, kth, axis), dtypes.uint32)


@NAMES.operation
def topk(a: Any, /, k: int, axis: int | None = -1) -> array:
    a = asarray(a)
    return wrapped(sorting.topk(a.value, k, axis), a.dtype)


@NAMES.operation
def searchsorted(sorted_sequence: Any, values: Any, /, side: str = "left") -> array:
    if side not in ("left", "right"):
        raise ValueError(f"[searchsorted] got side {side!r}, expected 'left' or 'right'")
    ordered, values = operands(sorted_sequence, values)
    return wrapped(sorting.searchsorted(ordered.value, values.value, side == "right"), dtypes.uint32)


@NAMES.operation
def unique(
    a: Any,
    /,
    size: int,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    fill_value: Any = None,
) -> array | tuple[array, ...]:
    """The `size` smallest of the distinct values, ascending; entries behind the last one are `fill_value`.

    What is asked for beside them: the first index of each, of each value the index of its entry, and how many there
    are.
    """
    a = asarray(a)
    fill = None if fill_value is None else operands(a, fill_value)[1].value.reshape(())
    kept, index, inverse, counts = sorting.unique(a.value, size, fill)
    beside = [
        (return_index, index, dtypes.uint32),
        (return_inverse, inverse, dtypes.uint32),
        (return_counts, counts, dtypes.int32),
    ]
    asked = [wrapped(value.astype(dtype.storage), dtype) for wanted, value, dtype in beside if wanted]
    return (wrapped(kept, a.dtype), *asked) if asked else wrapped(kept, a.dtype)
