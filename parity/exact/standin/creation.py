"""Arrays that are made of no other: constants, ranges, identities, windows of signal processing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, cast, wrapped
from parity.exact.standin.dispatch import Names
from parity.exact.standin.dtypes import Dtype
from parity.exact.standin.shapes import shape_of

NAMES = Names()


@NAMES.operation
def zeros(shape: int | Sequence[int], dtype: Dtype | None = dtypes.float32) -> array:
    dtype = dtype or dtypes.float32
    return wrapped(np.zeros(shape_of(shape), dtype.storage), dtype)


@NAMES.operation
def ones(shape: int | Sequence[int], dtype: Dtype | None = dtypes.float32) -> array:
    dtype = dtype or dtypes.float32
    return wrapped(np.ones(shape_of(shape), dtype.storage), dtype)


@NAMES.operation
def full(shape: int | Sequence[int], vals: Any, dtype: Dtype | None = None) -> array:
    vals = asarray(vals)
    dtype = dtype or vals.dtype
    return wrapped(np.full(shape_of(shape), cast(vals.value, vals.dtype, dtype), dtype.storage), dtype)


@NAMES.operation
def zeros_like(a: Any, /, dtype: Dtype | None = None) -> array:
    dtype = dtype or asarray(a).dtype
    return wrapped(np.zeros(asarray(a).shape, dtype.storage), dtype)


@NAMES.operation
def ones_like(a: Any, /, dtype: Dtype | None = None) -> array:
    dtype = dtype or asarray(a).dtype
    return wrapped(np.ones(asarray(a).shape, dtype.storage), dtype)


@NAMES.operation
def full_like(a: Any, vals: Any, dtype: Dtype | None = None) -> array:
    a, vals = asarray(a), asarray(vals)
    dtype = dtype or a.dtype
    return wrapped(np.full(a.shape, cast(vals.value, vals.dtype, dtype), dtype.storage), dtype)


@NAMES.operation
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Dtype | None = None) -> array:
    """`arange(stop)` or `arange(start, stop, step)`: start + i · step. Integers give int32 where nothing is said."""
    start, stop = (0, start) if stop is None else (start, stop)
    given = [_number(part) for part in (start, stop, 1 if step is None else step)]
    if dtype is None:
        dtype = dtypes.float32 if any(isinstance(part, float) for part in given) else dtypes.int32
    first, last, by = given
    if dtype is dtypes.bool_:
        raise ValueError("[arange] bool dtype is not supported")
    if not math.isfinite(last - first) or math.isnan(by):
        raise ValueError(f"[arange] Cannot compute length: start {first}, stop {last}, step {by}")
    count = max(math.ceil((last - first) / by), 0) if by else 0
    if dtype.is_floating:
        return wrapped(cast(first + np.arange(count) * float(by), dtypes.float32, dtype), dtype)
    return wrapped((int(first) + np.arange(count) * int(by)).astype(dtype.storage), dtype)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, array | np.generic) else value


@NAMES.operation
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Dtype | None = None) -> array:
    dtype = dtype or dtypes.float32
    value = np.linspace(_number(start), _number(stop), num, endpoint)
    return wrapped(cast(value, dtypes.float32, dtype), dtype)


@NAMES.operation
def eye(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = dtypes.float32) -> array:
    dtype = dtype or dtypes.float32
    return wrapped(np.eye(n, m, k, dtype.storage), dtype)


@NAMES.operation
def identity(n: int, dtype: Dtype | None = dtypes.float32) -> array:
    dtype = dtype or dtypes.float32
    return wrapped(np.eye(n, dtype=dtype.storage), dtype)


@NAMES.operation
def tri(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = None) -> array:
    dtype = dtype or dtypes.float32
    return wrapped(np.tri(n, m, k, dtype.storage), dtype)


def _window(name: str, make: Any) -> None:
    def function(M: int) -> array:
        return wrapped(make(M), dtypes.float32)

    function.__name__ = name
    NAMES.operation(function)


_window("hanning", np.hanning)
_window("hamming", np.hamming)
_window("blackman", np.blackman)
_window("bartlett", np.bartlett)
NAMES["empty"], NAMES["empty_like"] = NAMES["zeros"], NAMES["zeros_like"]
