"""Waves as WAV files inside a page."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import numpy as np

from parity.judge.snapshots import Sound
from parity.show.page import plots

LONGEST = 20
"""Seconds of a wave that a page holds; a longer one is cut there, and the page says so."""


def players(sound: Sound) -> dict[str, Any]:
    """What the page shows of one sound: three players and the spectrograms. The difference is amplified to be heard."""
    theirs, ours = sound.reference, sound.candidate
    rate = sound.rate
    seconds = theirs.size / rate
    theirs, ours = (np.nan_to_num(array[: LONGEST * rate].astype(np.float64)) for array in (theirs, ours))
    difference = ours - theirs
    peak = float(np.abs(difference).max(initial=0.0))
    gain = 0.5 / peak if peak else 1.0
    return {
        "name": sound.name,
        "seconds": seconds,
        "cut": LONGEST if seconds > LONGEST else 0,
        "decibels": 20 * float(np.log10(gain)) if peak else None,
        "players": [
            ("reference", _wav(theirs, rate)),
            ("candidate", _wav(ours, rate)),
            ("difference, amplified", _wav(difference * gain, rate)),
        ],
        "spectra": plots.spectra(theirs, ours, rate) if theirs.size else "",
    }


def _wav(samples: np.ndarray, rate: int) -> str:
    """A 16-bit mono WAV file as a data address."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return "data:audio/wav;base64," + base64.b64encode(stream.getvalue()).decode()
