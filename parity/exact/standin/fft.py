"""`mx.fft`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from parity.exact.operations.fourier import transform
from parity.exact.standin import dtypes
from parity.exact.standin.array import array, asarray, wrapped
from parity.exact.standin.dispatch import Names

NAMES = Names("fft.")


def _one(name: str, inverse: bool, real: bool) -> None:
    def function(a: Any, n: int | None = None, axis: int = -1, norm: str = "backward") -> array:
        return _transform(a, n, (axis,), inverse, real, norm)

    function.__name__ = name
    NAMES.operation(function)


def _several(name: str, inverse: bool, real: bool, last: tuple[int, ...] | None) -> None:
    def function(
        a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = last, norm: str = "backward"
    ) -> array:
        if axes is None:
            axes = range(-len(s), 0) if s is not None else range(asarray(a).ndim)
        return _transform(a, s, tuple(axes), inverse, real, norm)

    function.__name__ = name
    NAMES.operation(function)


def _transform(
    a: Any, n: Sequence[int] | int | None, axes: tuple[int, ...], inverse: bool, real: bool, norm: str
) -> array:
    value = transform(asarray(a).value, n, axes, inverse=inverse, real=real, norm=norm)
    return wrapped(value, dtypes.float32 if inverse and real else dtypes.complex64)


for _prefix, _real in (("", False), ("r", True)):
    for _infix, _inverse in (("", False), ("i", True)):
        _kind = f"{_infix}{_prefix}fft"
        _one(_kind, _inverse, _real)
        _several(f"{_kind}2", _inverse, _real, (-2, -1))
        _several(f"{_kind}n", _inverse, _real, None)


@NAMES.operation
def fftfreq(n: int, d: float = 1.0) -> array:
    return wrapped(np.fft.fftfreq(n, d), dtypes.float32)


@NAMES.operation
def rfftfreq(n: int, d: float = 1.0) -> array:
    return wrapped(np.fft.rfftfreq(n, d), dtypes.float32)


@NAMES.operation
def fftshift(a: Any, axes: int | Sequence[int] | None = None) -> array:
    a = asarray(a)
    return wrapped(np.fft.fftshift(a.value, axes), a.dtype)


@NAMES.operation
def ifftshift(a: Any, axes: int | Sequence[int] | None = None) -> array:
    a = asarray(a)
    return wrapped(np.fft.ifftshift(a.value, axes), a.dtype)
