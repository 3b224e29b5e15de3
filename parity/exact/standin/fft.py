"""`mx.fft`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from parity.exact.operations import fourier
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


def _check(n_fft: int, hop_length: int | None, window: Any) -> np.ndarray | None:
    """The window's values; what MLX refuses is refused as it does."""
    if window is not None and asarray(window).size > n_fft:
        raise ValueError("[stft] window length must not exceed n_fft.")
    if hop_length is not None and hop_length < 1:
        raise ValueError("[stft] hop_length must be positive.")
    return None if window is None else asarray(window).value


@NAMES.operation
def stft(
    x: Any,
    n_fft: int = 2048,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    norm: str = "backward",
    onesided: bool | None = None,
) -> array:
    """x (..., T), result (..., frequencies, frames)."""
    shape = _check(n_fft, hop_length, window)
    value = fourier.stft(asarray(x).value, n_fft, hop_length, win_length, shape, center, pad_mode, norm, onesided)
    return wrapped(value, dtypes.complex64)


@NAMES.operation
def istft(
    stft_matrix: Any,
    n_fft: int | None = None,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    norm: str = "backward",
    onesided: bool | None = None,
    length: int | None = None,
) -> array:
    """The frames transformed back, windowed, added where they overlap and divided by the windows' squares: real."""
    spectrum = asarray(stft_matrix).value
    shape = _check(n_fft or 2 * spectrum.shape[-2], hop_length, window)
    value = fourier.istft(spectrum, n_fft, hop_length, win_length, shape, center, norm, onesided, length)
    return wrapped(value, dtypes.float32)
