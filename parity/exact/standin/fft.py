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


def _framed(n_fft: int, hop_length: int | None, win_length: int | None, window: Any) -> tuple[int, np.ndarray]:
    """The hop, and the window in the middle of `n_fft` values."""
    hop = n_fft // 4 if hop_length is None else hop_length
    shape = np.ones(win_length or n_fft) if window is None else asarray(window).value
    if len(shape) > n_fft or hop < 1:
        raise ValueError(f"[stft] got a window of {len(shape)} and a hop of {hop} for transforms of {n_fft}")
    before = (n_fft - len(shape)) // 2
    return hop, np.pad(shape, (before, n_fft - len(shape) - before))


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
    value = asarray(x).value
    hop, shape = _framed(n_fft, hop_length, win_length, window)
    if center:
        value = np.pad(value, [(0, 0)] * (value.ndim - 1) + [(n_fft // 2, n_fft // 2)], pad_mode)  # type: ignore[call-overload]
    frames = np.lib.stride_tricks.sliding_window_view(value, n_fft, -1)[..., ::hop, :] * shape
    half = value.dtype.kind != "c" if onesided is None else onesided
    spectrum = transform(frames, None, (-1,), real=half, norm=norm)
    return wrapped(np.swapaxes(spectrum, -1, -2), dtypes.complex64)


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
    """The frames transformed back, windowed, added where they overlap and divided by the windows' squares."""
    spectrum = np.swapaxes(asarray(stft_matrix).value, -1, -2)
    half = onesided is not False
    if n_fft is None:
        n_fft = 2 * (spectrum.shape[-1] - 1) if half else spectrum.shape[-1]
    hop, shape = _framed(n_fft, hop_length, win_length, window)
    frames = transform(spectrum, n_fft, (-1,), inverse=True, real=half, norm=norm) * shape
    count = frames.shape[-2]
    total = np.zeros((*frames.shape[:-2], n_fft + hop * (count - 1)), frames.dtype)
    weight = np.zeros(total.shape[-1])
    for frame in range(count):
        reached = slice(frame * hop, frame * hop + n_fft)
        total[..., reached] += frames[..., frame, :]
        weight[reached] += shape**2
    kept = np.where(weight > _LEAST_WEIGHT, total / np.where(weight > _LEAST_WEIGHT, weight, 1), total)
    if center:
        kept = kept[..., n_fft // 2 : total.shape[-1] - (0 if length is not None else n_fft // 2)]
    if length is not None:
        kept = kept[..., :length]
        kept = np.pad(kept, [(0, 0)] * (kept.ndim - 1) + [(0, length - kept.shape[-1])])
    return wrapped(kept, dtypes.float32 if half else dtypes.complex64)


_LEAST_WEIGHT = 1e-8
