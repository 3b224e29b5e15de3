"""Windowed transforms: a symmetric window for a periodic one, a window left out."""

from __future__ import annotations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis


@hypothesis
def window(e: Evidence) -> Finding | None:
    """The value is the short-time transform of an input, by another window.

    Tried for real and imaginary parts side by side along `c`, centred and reflected frames, and Hann windows. Within a
    mel a window cannot be told. A symmetric window changes a mel by 2e-4, and a resampler's delay of half a sample and
    one gain explain at most a third of the change. The filters that would say more are not known here.
    """
    channel, time = e.axis("channel"), e.axis("time")
    if not e.comparable or e.r.ndim != 3 or channel is None or time is None:
        return None
    c, r = (np.moveaxis(a, (channel, time), (2, 1)) for a in (e.c, e.r))
    length, frames = r.shape[2] - 2, r.shape[1]
    if length < 4 or length % 2 or frames < 3:
        return None
    for name, signal in e.inputs.items():
        flat = np.asarray(signal, np.float64).reshape(len(signal), -1)
        if len(flat) != len(r) or flat.shape[1] % (frames - 1) or flat.shape[1] // (frames - 1) > length:
            continue
        hop = flat.shape[1] // (frames - 1)
        theirs = {what: _stft(flat, array, hop) for what, array in _windows(length).items()}
        expected = min(theirs, key=lambda what: rms(theirs[what] - r))
        found = min(theirs, key=lambda what: rms(theirs[what] - c))
        if rms(theirs[expected] - r) < 1e-3 * rms(r) and rms(theirs[found] - c) < 1e-3 * rms(c) and found != expected:
            return Finding(
                "window", 0.98, f"the transform of {name} with the {found} window, expected the {expected} one"
            )
    return None


def _windows(length: int) -> dict[str, np.ndarray]:
    def hann(over: int) -> np.ndarray:
        return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / over))

    return {"periodic Hann": hann(length), "symmetric Hann": hann(length - 1), "rectangular": np.ones(length)}


def _stft(signal: np.ndarray, window: np.ndarray, hop: int) -> np.ndarray:
    """Signals `(B, N)` -> `(B, F, n + 2)`: real parts, then imaginary ones, of centred, reflected frames."""
    half = len(window) // 2
    padded = np.pad(signal, ((0, 0), (half, half)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window), axis=1)[:, ::hop]
    spectrum = np.fft.rfft(frames * window, axis=-1)
    return np.concatenate([spectrum.real, spectrum.imag], axis=-1)
