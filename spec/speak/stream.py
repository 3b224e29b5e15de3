"""`speak --stream`: a WAV file that grows while speech is made, and how long the first of it took. No framework."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spec.files.wav_file import WavFile
from spec.streaming import StreamConfig

MODES = {"exact": StreamConfig(), "prefixes": StreamConfig(prefixes=True)}


class Streamed(NamedTuple):
    """What a stream said, `wave (N,)`, and the seconds to its first samples and to its last."""

    wave: np.ndarray
    first: float
    spent: float


def stream_to(out: Path, pieces: Iterator[np.ndarray], rate: int) -> Streamed:
    """Write each piece `(N,)` as it comes. Raises `ValueError`, and leaves what was said until then, if one is broken.

    There is no file before the first piece.
    """
    start, first, said = time.perf_counter(), None, []
    with WavFile(out, rate) as file:
        try:
            for wave in pieces:
                check_finite(wave)
                file.write(wave)
                said.append(wave)
                if first is None:
                    first = time.perf_counter() - start
                    print(f"{'first audio':12s} {first:7.2f} s", flush=True)
        except ValueError as error:
            left = f"; {out} holds the {file.samples / rate:.2f} s that were said before" if file.samples else ""
            raise ValueError(f"{error}{left}") from error
    if first is None:
        raise ValueError("the stream has ended without a sound; try another seed or a longer text")
    spent = time.perf_counter() - start
    print(f"{'stream':12s} {spent:7.2f} s", flush=True)
    return Streamed(np.concatenate(said), first, spent)


def check_new(out: Path) -> None:
    """Raises `ValueError` where a file is already: a stream would have destroyed it before it is whole itself."""
    if out.exists():
        raise ValueError(f"{out}: is there already, and a stream grows in its place; remove it or name another file")


def check_finite(wave: np.ndarray) -> None:
    if not np.isfinite(wave).all():
        raise ValueError("the audio holds NaN or infinite samples; speak in float32, or is the checkpoint damaged?")
