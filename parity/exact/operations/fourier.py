"""Fourier transforms as `mx.fft` defines them: the axes' last one is the one that is real."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft

from parity.base.errors import InputError


def transform(
    x: np.ndarray,
    n: Sequence[int] | int | None,
    axes: Sequence[int],
    inverse: bool = False,
    real: bool = False,
    norm: str = "backward",
) -> np.ndarray:
    """The transform over `axes`, at sizes `n` (None: those of x): complex, or real inputs to the non-negative half.

    With `inverse` and `real` the non-negative half gives real values, and `n` is the size of the result: by default
    even, 2 · (inputs - 1). Inputs are cut or padded with zeros at their ends. `norm` is 'backward' (the inverse divides
    by the number of elements), 'ortho' (both by its root) or 'forward' (the transform divides). Without axes the result
    is x itself.
    """
    x = np.asarray(x)
    if not axes:
        return x
    sizes = (n,) if isinstance(n, int) else n
    if not inverse and real:
        return np.asarray(scipy.fft.rfftn(_double(x.real), sizes, axes, norm=norm))
    kind = {(False, False): scipy.fft.fftn, (True, False): scipy.fft.ifftn, (True, True): scipy.fft.irfftn}
    return np.asarray(kind[inverse, real](_double(x), sizes, axes, norm=norm))


def _double(x: np.ndarray) -> np.ndarray:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64, copy=False)


def stft(
    x: np.ndarray,
    n_fft: int = 2048,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: np.ndarray | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    norm: str = "backward",
    onesided: bool | None = None,
) -> np.ndarray:
    """Transforms of the windowed frames of the last axis: (..., frequencies, frames), complex.

    Frames of `n_fft` begin every `hop_length` (n_fft // 4). `center` pads n_fft // 2 at both ends by 'reflect',
    'constant' or 'edge'. Without `onesided`, real inputs give the non-negative half.
    """
    x = _double(x)
    hop = n_fft // 4 if hop_length is None else hop_length
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(n_fft // 2, n_fft // 2)], mode=pad_mode)  # type: ignore[call-overload]
    frames = np.lib.stride_tricks.sliding_window_view(x, n_fft, axis=-1)[..., ::hop, :]
    half = x.dtype.kind != "c" if onesided is None else onesided
    spectrum = transform(frames * _window(window, win_length, n_fft), None, [-1], real=half, norm=norm)
    return np.swapaxes(spectrum, -1, -2)


def istft(
    spectrum: np.ndarray,
    n_fft: int | None = None,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: np.ndarray | None = None,
    center: bool = True,
    norm: str = "backward",
    onesided: bool | None = None,
    length: int | None = None,
) -> np.ndarray:
    """The inverse of `stft`: frames windowed once more, added where they overlap, over the sum of squares or 1e-8.

    The result is real, without `onesided` too. `length` cuts the result or pads it with zeros.
    """
    half = onesided is None or onesided
    if n_fft is None:
        n_fft = 2 * (spectrum.shape[-2] - 1) if half else spectrum.shape[-2]
    hop = n_fft // 4 if hop_length is None else hop_length
    shape = _window(window, win_length, n_fft)
    frames = transform(np.swapaxes(spectrum, -1, -2), [n_fft], [-1], inverse=True, real=half, norm=norm).real * shape
    count = frames.shape[-2]
    total = n_fft + hop * (count - 1)
    signal, weight = np.zeros((*frames.shape[:-2], total), frames.dtype), np.zeros(total)
    for frame in range(count):
        place = slice(frame * hop, frame * hop + n_fft)
        signal[..., place] += frames[..., frame, :]
        weight[place] += np.square(shape)
    signal = signal / np.maximum(weight, _LEAST_WEIGHT)
    if center:
        signal = signal[..., n_fft // 2 : total - n_fft // 2 if length is None else total]
    if length is None:
        return signal
    signal = signal[..., :length]
    return np.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(0, length - signal.shape[-1])])


_LEAST_WEIGHT = 1e-8


def _window(window: np.ndarray | None, win_length: int | None, n_fft: int) -> np.ndarray:
    """The window in the middle of n_fft values, zeros around it; ones where none is given."""
    values = np.ones(n_fft if win_length is None else win_length) if window is None else _double(window)
    size = len(values)
    if size > n_fft:
        raise InputError(f"a window of {size} values is longer than transforms of {n_fft}; expected at most as many")
    low = (n_fft - size) // 2
    return np.pad(values, (low, n_fft - size - low))
