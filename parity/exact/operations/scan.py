"""Cumulative operations along an axis, as the primitive Scan defines them."""

from __future__ import annotations

import numpy as np

from parity.base.errors import InputError

_OPERATION = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "logaddexp": np.logaddexp,
}


def scan(x: np.ndarray, kind: str, axis: int, reverse: bool = False, inclusive: bool = True) -> np.ndarray:
    """'sum', 'prod', 'max', 'min' or 'logaddexp' of all values up to each one, or from it on with `reverse`.

    Not `inclusive`: without the value itself, so that the first is the operation's neutral element. Sums of
    booleans are int32; other dtypes stay, and integers wrap around. NaN stays NaN from where it stands.
    """
    if kind not in _OPERATION:
        raise InputError(f"a cumulative operation is one of {', '.join(_OPERATION)}, got {kind!r}")
    x = np.asarray(x)
    if x.dtype.kind == "b" and kind == "sum":
        x = x.astype(np.int32)
    turned = np.flip(x, axis) if reverse else x
    with np.errstate(over="ignore", invalid="ignore"):
        found = _OPERATION[kind].accumulate(turned, axis=axis, dtype=x.dtype)
    if not inclusive:
        first = np.full_like(np.take(found, [0], axis), neutral(kind, x.dtype)) if found.shape[axis] else found
        found = np.concatenate([first, np.take(found, np.arange(found.shape[axis] - 1), axis)], axis)
    return np.asarray(np.flip(found, axis) if reverse else found)


def neutral(kind: str, dtype: np.dtype) -> float | int | bool:
    """The value that an operation leaves others as they are with: 0, 1, or the end of the dtype's range."""
    if kind in ("sum", "prod"):
        return int(kind == "prod")
    if dtype.kind in "fc":
        return np.inf if kind == "min" else -np.inf
    if dtype.kind == "b":
        return kind == "min"
    return int(np.iinfo(dtype).max if kind == "min" else np.iinfo(dtype).min)
