"""Windowed transforms and their inverses, computed again by each window that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis
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


@hypothesis
def window(e: Evidence) -> Finding | None:
    """The value is the short-time transform of an input, its magnitudes or its powers, by another window.

    Frames are centred and reflected at the ends, or reflected by as much as makes a frame of each hop.
    """
    axes = _time_and_bins(e)
    if axes is None:
        return None
    c, r = (np.moveaxis(a, axes, (1, 2)) for a in (e.c, e.r))
    for name, signal, length, hop, edge, form in _transforms(e, r):
        made = {
            what: FORMS[form](_frames(signal, w, hop, edge)[:, : r.shape[1]]) for what, w in windows(length).items()
        }
        expected = min(made, key=lambda what: rms(made[what] - r))
        if rms(made[expected] - r) > NEAR * rms(r):
            continue
        found = min(made, key=lambda what: rms(made[what] - c))
        change = np.moveaxis(r + made[found] - made[expected], (1, 2), axes)
        if found != expected and e.left(change) < 0.1:
            text = f"the {form} of {name} by the {found} window, expected the {expected} one"
            return Finding("window", 0.97, text)
        for words, mode in EDGES.items():
            edged = FORMS[form](_frames(signal, windows(length)[expected], hop, edge, mode)[:, : r.shape[1]])
            if e.left(np.moveaxis(r + edged - made[expected], (1, 2), axes)) < 0.1:
                return Finding("padding", 0.97, f"the {form} of {name} with {words} at the ends, expected a reflection")
        for by in (hop // 2, -(hop // 2), hop, -hop, length // 2, -(length // 2), 1, -1):
            moved = np.roll(signal, by, axis=1)
            moved[:, :by] = 0 if by > 0 else moved[:, :by]
            moved[:, by:] = 0 if by < 0 else moved[:, by:]
            late = FORMS[form](_frames(moved, windows(length)[expected], hop, edge)[:, : r.shape[1]])
            if e.left(np.moveaxis(r + late - made[expected], (1, 2), axes)) < 0.1:
                return Finding("shift", 0.97, f"the {form} of {name} {abs(by)} samples {'late' if by > 0 else 'early'}")
    return None


@hypothesis
def inverse(e: Evidence) -> Finding | None:
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
                ways |= {f"{what}": _inverse(spectrum, w, w * w, hop) for what, w in known.items()}
                ways |= {"window itself for its square": _inverse(spectrum, right, right, hop)}
                found = min(ways, key=lambda way: rms(ways[way] - theirs + e.r - e.c))
                if e.left(e.r + ways[found] - theirs) < 0.1:
                    text = f"the inverse transform of {name} by the {found}, expected the {expected} window"
                    return Finding("window", 0.97, text)
    return None


def _time_and_bins(e: Evidence) -> tuple[int, int] | None:
    """The axes of frames and of bins."""
    time = e.axis("time")
    if not e.comparable or e.r.ndim != 3 or time in (None, 0):
        return None
    return int(time or 1), 3 - int(time or 1)


def _transforms(e: Evidence, r: np.ndarray) -> Iterator[tuple[str, np.ndarray, int, int, int, str]]:
    """Signals, lengths, hops, edges and forms by which `r (B, T, F)` may be a transform."""
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
                        yield name, flat, length, hop, edge, form


def _frames(signal: np.ndarray, window: np.ndarray, hop: int, edge: int, mode: Edge = "reflect") -> np.ndarray:
    padded = np.pad(signal, ((0, 0), (edge, edge)), mode=mode)
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window), axis=1)[:, ::hop]
    return np.asarray(np.fft.rfft(frames * window, axis=-1))


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
