"""WAV files in float32, mono: whole, or one that can be read while it grows. No framework."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

FLOAT, BYTES = 3, 4  # the format's number for floating point, and bytes a sample


def wav(wave: np.ndarray, rate: int) -> bytes:
    """A whole file of samples `(N,)`: the same bytes for the same samples, without a time in them."""
    return header(len(wave), rate) + np.ascontiguousarray(wave, "<f4").tobytes()


def header(samples: int, rate: int) -> bytes:
    """`RIFF`, `fmt `, `fact`, which formats other than integers have, and the start of `data`."""
    size = BYTES * samples
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, FLOAT, 1, rate, BYTES * rate, BYTES, 8 * BYTES, 0)
    fact = struct.pack("<4sII", b"fact", 4, samples)
    chunks = b"WAVE" + form + fact + struct.pack("<4sI", b"data", size)
    return struct.pack("<4sI", b"RIFF", len(chunks) + size) + chunks


class WavFile:
    """A file that grows. Made by its first samples; after each `write` its header says how many there are.

    So a program that ends amid a stream leaves a file with what was said until then. A file that is there already is
    not touched: it would be gone before the new one is whole. Raises `ValueError` for it, and where nothing can be
    written.
    """

    def __init__(self, file: Path, rate: int):
        self.file, self.rate = file, rate
        self.samples = 0
        self.open: BinaryIO | None = None

    def write(self, wave: np.ndarray) -> None:
        """Append samples `(N,)`."""
        try:
            if self.open is None:
                self.open = self.file.open("xb")
                self.open.write(header(self.samples, self.rate))
            self.open.write(np.ascontiguousarray(wave, "<f4").tobytes())
            self.open.flush()
            self.samples += len(wave)
            self.open.seek(0)
            self.open.write(header(self.samples, self.rate))
            self.open.seek(0, 2)
            self.open.flush()
        except OSError as error:
            raise ValueError(f"{self.file}: cannot be written ({error}); name another file") from error

    def __enter__(self) -> WavFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.open is None:
            return
        with suppress(OSError):  # of a write that failed, and was said to
            self.open.close()
        if not self.samples:
            self.file.unlink(missing_ok=True)
