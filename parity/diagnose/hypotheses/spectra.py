"""Windowed transforms and their inverses, computed again by each window that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis, unknown
from parity.diagnose.hypotheses.windows import windows

NEAR = 1e-3
"""Of the RMS, how near the reference must be to a transform that is computed again."""

Edge = Literal["reflect", "constant", "edge", "symmetric", "wrap"]
EDGES: dict[str, Edge] = {
    "zeros": "constant",
    "the last value repeated": "edge",
    "a reflection that repeats the last value": "symmetric",
    "the other end": "wrap",
}

FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "transform": lambda z: np.concatenate([z.real, z.imag], axis=-1),
    "magnitudes": np.abs,
    "powers": lambda z: np.abs(z) ** 2,
}


@dataclass(frozen=True)
class Transform:
    """A short-time transform: its form, the lengths of a frame, a hop and what is added at each end, and its frames."""

    form: str
    length: int
    hop: int
    edge: int
    frames: int

    def __call__(self, signal: np.ndarray, window: np.ndarray, mode: Edge = "reflect") -> np.ndarray:
        padded = np.pad(signal, ((0, 0), (self.edge, self.edge)), mode=mode)
        every = np.lib.stride_tricks.sliding_window_view(padded, self.length, axis=1)
        frames = every[:, :: self.hop][:, : self.frames]
        return FORMS[self.form](np.fft.rfft(frames * window, axis=-1))


@hypothesis
def window(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The value is the short-time transform of an input, its magnitudes or its powers, by another window.

    Frames are centred and reflected at the ends, or reflected by as much as makes a frame of each hop.
    """
    axes = _time_and_bins(e)
    if axes is None:
        return None
    turned = e.arranged(lambda a: np.moveaxis(a, axes, (1, 2)))
    c, r = turned.c, turned.r
    for name, signal, transform in _transforms(e, r):
        known, of = windows(transform.length), f"the {transform.form} of {name}"
        made = {what: transform(signal, w) for what, w in known.items()}
        expected = min(made, key=lambda what: rms(made[what] - r))
        right = made[expected]
        if rms(right - r) > NEAR * rms(r):
            continue
        found = min(made, key=lambda what: rms(made[what] - c))
        if found != expected and turned.left(r + made[found] - right) < 0.1:
            text = f"{of} by the {found} window, expected the {expected} one"
            return Finding("window", 0.97, text)
        for words, mode in EDGES.items():
            edged = transform(signal, known[expected], mode)
            if turned.left(r + edged - right) < 0.1:
                return Finding("padding", 0.97, f"{of} with {words} at the ends, expected a reflection")
        length, hop = transform.length, transform.hop
        for by in (hop // 2, -(hop // 2), hop, -hop, length // 2, -(length // 2), 1, -1):
            moved = np.roll(signal, by, axis=1)
            moved[:, :by] = 0 if by > 0 else moved[:, :by]
            moved[:, by:] = 0 if by < 0 else moved[:, by:]
            late = transform(moved, known[expected])
            if turned.left(r + late - right) < 0.1:
                return Finding("shift", 0.97, f"{of} {abs(by)} samples {'late' if by > 0 else 'early'}")
        return unknown(f"{of} by the {expected} window", "window", "padding")
    return None


@hypothesis
def inverse(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The value is the inverse of a short-time transform, by another window in the frames, or in what divides them."""
    if not e.comparable or e.r.ndim != 2:
        return None
    for name, array in e.inputs.items():
        if array.ndim != 3 or len(array) != len(e.r) or array.dtype.kind != "f":
            continue
        for spectrum in (np.asarray(array, np.float64), np.asarray(array, np.float64).swapaxes(1, 2)):
            frames, bins = spectrum.shape[1:]
            length, hop = bins - 2, e.r.shape[1] // max(frames - 1, 1)
            if length < 4 or length % 2 or hop * (frames - 1) != e.r.shape[1] or not 0 < hop <= length:
                continue
            known = windows(length)
            for expected, right in known.items():
                theirs = _inverse(spectrum, right, right * right, hop)
                if rms(theirs - e.r) > NEAR * rms(e.r):
                    continue
                ways = {f"{what} in the frames": _inverse(spectrum, w, right * right, hop) for what, w in known.items()}
                ways |= {what: _inverse(spectrum, w, w * w, hop) for what, w in known.items()}
                ways |= {"window itself for its square": _inverse(spectrum, right, right, hop)}
                found = min(ways, key=lambda way: rms(ways[way] - theirs + e.r - e.c))
                if e.left(e.r + ways[found] - theirs) < 0.1:
                    text = f"the inverse transform of {name} by the {found}, expected the {expected} window"
                    return Finding("window", 0.97, text)
                return unknown(f"the inverse transform of {name} by the {expected} window", "window")
    return None


def _time_and_bins(e: Evidence) -> tuple[int, int] | None:
    """The axes of frames and of bins."""
    time = e.axis("time")
    return (time, 3 - time) if e.comparable and e.r.ndim == 3 and time else None


def _transforms(e: Evidence, r: np.ndarray) -> Iterator[tuple[str, np.ndarray, Transform]]:
    """Signals, and the transforms of them that `r (B, T, F)` may be."""
    frames, bins = r.shape[1:]
    lengths = {"magnitudes": 2 * (bins - 1), "powers": 2 * (bins - 1), "transform": bins - 2}
    for name, array in e.inputs.items():
        flat = np.asarray(array, np.float64).reshape(len(array), -1) if array.ndim and array.dtype.kind == "f" else None
        if flat is None or len(flat) != len(r):
            continue
        for form, length in lengths.items():
            for hop in {flat.shape[1] // n for n in (frames - 1, frames) if n > 0}:
                if length < 4 or length % 2 or not 0 < hop <= length or flat.shape[1] < length:
                    continue
                for edge in {length // 2, (length - hop) // 2}:
                    if (flat.shape[1] + 2 * edge - length) // hop + 1 in (frames, frames + 1):
                        yield name, flat, Transform(form, length, hop, edge, frames)


def _inverse(spectrum: np.ndarray, window: np.ndarray, square: np.ndarray, hop: int) -> np.ndarray:
    """Real, then imaginary parts `(B, T, n + 2)` -> `(B, hop (T - 1))`: windowed frames over the sum of `square`."""
    real, imaginary = np.split(spectrum, 2, axis=-1)
    frames = np.fft.irfft(real + 1j * imaginary, axis=-1) * window
    length, count = len(window), frames.shape[1]
    total, weight = np.zeros((len(frames), hop * (count - 1) + length)), np.zeros(hop * (count - 1) + length)
    for frame in range(count):
        place = slice(frame * hop, frame * hop + length)
        total[:, place] += frames[:, frame]
        weight[place] += square
    half = length // 2
    return np.asarray((total / np.where(weight > 1e-8, weight, np.inf))[:, half:-half])
