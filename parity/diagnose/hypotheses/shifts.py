"""The right numbers too early or too late: by some positions, by half a hop of samples, by half a frame."""

from __future__ import annotations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import FEW, Evidence, Finding, finding, hypothesis, likeliest
from parity.diagnose.hypotheses.layouts import close

LONGEST_SHIFT = 16
"""Positions that are all tried; a longer shift is where the two correlate most."""

HALF, ORDERED = 0.45, 1.6
"""How much of an error half a position may leave, and how many times as much a whole one must."""


@hypothesis
def time_shift(e: Evidence) -> Finding | None:
    """The reference, some positions earlier or later along an axis that is no batch and no channel."""
    if not e.comparable:
        return None
    for part, c, r in _parts(e):
        for position, axis in enumerate(e.axes):
            length = r.shape[position]
            if e.role(position) in ("batch", "channel", "head", "feature") or length < 3 or close(c, r):
                continue
            near = [n for k in range(1, min(LONGEST_SHIFT, length // 2) + 1) for n in (k, -k)]
            for by in [*near, *_farther(c, r, position)]:
                ours = np.take(c, range(max(by, 0), length + min(by, 0)), axis=position)
                theirs = np.take(r, range(max(-by, 0), length + min(-by, 0)), axis=position)
                if theirs.std() > 0 and (close(ours, theirs) or rms(ours - theirs) <= FEW * e.bound * e.floor):
                    where = f" in {part}" if part else ""
                    text = f"{abs(by)} positions of {axis} {_word(by)}{where}{_hop(e, 2 * abs(by), length)}"
                    return Finding("shift", 0.985, text)
    return None


@hypothesis
def half_a_frame(e: Evidence) -> Finding | None:
    """The mean of two neighbouring frames, or the logarithm of it: every window was placed half a hop off.

    Windows overlap, so this comes near: of log spectrograms with windows of 4 hops it left 0.23 to 0.43 of the error,
    and a whole frame 0.84 to 1. Of a shift by a quarter of a hop it left 0.51 to 1.1, which is not told.
    """
    time = e.axis("time")
    if not e.comparable or time is None or e.r.ndim < 2 or e.r.shape[time] < 8:
        return None
    c, r = (np.moveaxis(array, time, -1) for array in (e.c, e.r))
    inner, found = slice(2, -2), []
    error = max(rms((c - r)[..., inner]), 1e-300)
    for by in (1, -1):
        other = np.roll(r, by, axis=-1)
        whole = rms((c - other)[..., inner]) / error
        for words, model in (("mean", (r + other) / 2), ("logarithm of the mean", np.logaddexp(r, other) - np.log(2))):
            left = rms((c - model)[..., inner]) / error
            text = f"half a position of {e.axes[time]} {_word(by)}: near the {words} of two neighbours"
            text += f", which leaves {left:.2f} of the error, and a whole position {whole:.2f}"
            if whole > ORDERED * left:
                found.append(finding("shift", left, 0.9, text, HALF))
    return likeliest(found)


def _farther(c: np.ndarray, r: np.ndarray, position: int) -> list[int]:
    """The shift by which the two correlate most, where it is longer than those that are all tried."""
    length = r.shape[position]
    if length <= 2 * LONGEST_SHIFT:
        return []
    ours, theirs = (np.fft.rfft(np.moveaxis(array, position, -1), 2 * length) for array in (c, r))
    along = np.fft.irfft(ours * theirs.conj()).reshape(-1, 2 * length).sum(axis=0)
    by = int(np.argmax(along))
    by -= 2 * length if by >= length else 0
    return [by] if LONGEST_SHIFT < abs(by) <= length // 2 else []


def _hop(e: Evidence, hop: int, length: int) -> str:
    """Whether the positions are as many as there are frames of an input, times that hop."""
    frames = [name for name, x in e.inputs.items() if any(n > 2 and n * hop == length for n in x.shape)]
    return f", half a hop of {hop} for each frame of {frames[0]}" if frames else ""


def _word(by: int) -> str:
    return "late" if by > 0 else "early"


def _parts(e: Evidence) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The whole, then each branch."""
    parts = [("", e.c, e.r)]
    for position, axis in enumerate(e.axes):
        if axis in e.labels:
            pieces = (np.split(array, len(e.labels[axis]), axis=position) for array in (e.c, e.r))
            parts += list(zip(e.labels[axis], *pieces, strict=True))
    return parts
