"""Audio files as their decoder gives them. No framework.

The number of samples in a header is a hint: what is decoded counts, and a file that holds another number is said to be
damaged. The library (libsndfile) corrects such a header and says so in its log alone, so the log is read here.
"""

from __future__ import annotations

import io
import math
import mmap
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.names import meant_path
from spec.files.pointer import check_no_pointer

BLOCK = 2**14  # frames decoded at a time, so that many channels take no more memory than one
# In libsndfile's log: of Ogg, of WAV and its kin, of FLAC.
DAMAGE = re.compile(
    "end-of-stream bit|ended unexpectedly|reports a hole|Corrupted|Have 0 marker|Exiting parser|FLAC__\\w+_ERROR_STATUS"
)
REPAIRED = re.compile(r"(\d+) \(should be (\d+)\)")  # bytes that a header promises, and those that are there
UNKNOWN_BYTES = 2**31 - 2**16  # from here on a size means "not known", as programs write it into a pipe
FLAC_TOTAL = slice(21, 26)  # the bytes of a FLAC whose lower 36 bits are its number of frames, 0 if that is not known
XING = b"Xing", b"Info"  # what the header with the length of an MP3 begins with
PADDING = 4096 + 1152  # frames that an MP3 may rightly have beyond its promise: its padding, and a last block
VARIABLE = 10  # times, by which the bit rates of one MP3 may differ
LARGEST = 40_000  # bytes a second of an MP3


def decoded(
    file: Path,
    dtype: str = "float32",
    warn: Callable[[str], object] = warnings.warn,
    longest: float = math.inf,
) -> tuple[Iterator[np.ndarray], int]:
    """All frames of a file in blocks `(frames, channels)`, at least one block, and the rate in Hz.

    After the last block `warn` is told of a file that is damaged, cut short, or longer than `longest` seconds, whose
    rest is left out. Raises `ValueError` for a file that is not there or no audio.
    """
    import soundfile  # not at the top: whoever has samples as an array needs no library

    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected a recording{meant_path(file)}")
    check_no_pointer(file)
    try:
        audio, promised = _opened(file, longest)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{file}: not a readable audio file ({error}); convert it to WAV or FLAC") from error
    rate = audio.samplerate

    def blocks() -> Iterator[np.ndarray]:
        limit, count = longest * rate, 0
        with audio:
            while True:
                wanted = int(min(BLOCK, limit - count))
                block = _next(audio, wanted, dtype)
                count += len(block)
                yield block
                if len(block) < wanted or count == limit:
                    break
            if count == limit and len(_next(audio, 1, dtype)):
                warn(f"{file}: longer than {longest:g} s, only its first {longest:g} s are used")
            signs = _signs(audio.extra_info)
        if promised and count != min(promised, limit):
            signs.insert(0, f"its header promises {promised / rate:.2f} s")
        if signs:
            warn(f"{file}: damaged or cut short, {count / rate:.2f} s could be decoded ({signs[0]})")

    return blocks(), rate


def _opened(file: Path, longest: float = math.inf) -> tuple[Any, int]:
    """A file to decode, and how many frames its header promises, 0 if none. Raises soundfile's errors.

    libsndfile ends at the number that a FLAC promises, whatever follows, so it must not see that number. Of an MP3 it
    ends at what the Xing header promises, or at what the size of the file lets it expect. Where more can be decoded
    than that, it gets the file without that header, followed by zeros.
    """
    import soundfile

    with file.open("rb") as stream:
        head = stream.read(FLAC_TOTAL.stop)
        if head.startswith(b"fLaC") and len(head) == FLAC_TOTAL.stop:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)  # what is written to it stays in memory
            bits = int.from_bytes(head[FLAC_TOTAL])
            total = bits % 2**36
            mapped[FLAC_TOTAL] = (bits - total).to_bytes(5)
            return soundfile.SoundFile(mapped), total
    audio = soundfile.SoundFile(file)
    if audio.format != "MP3":
        return audio, audio.frames
    with file.open("rb") as stream:
        content = stream.read(-1 if longest == math.inf else int(LARGEST * longest))
    tagged = [tag for tag in XING if tag in content[:BLOCK]]
    for tag in tagged:
        content = content.replace(tag, bytes(len(tag)), 1)
    content += bytes(VARIABLE * len(content))
    with _silent(), suppress(soundfile.LibsndfileError):
        whole = soundfile.SoundFile(io.BytesIO(content))
        whole.seek(audio.frames + (PADDING if tagged else 0))
        if len(whole.read(1)):
            audio, promised = soundfile.SoundFile(io.BytesIO(content)), audio.frames
            return audio, promised if tagged else 0
    return audio, audio.frames if tagged else 0


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing on standard error, where libmpg123 complains of a size that was only tried."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _next(audio: Any, frames: int, dtype: str) -> np.ndarray:
    """Up to `frames` more frames `(frames, channels)`: those before the damage, where the decoder reports one."""
    import soundfile

    block = np.full((frames, audio.channels), np.nan, dtype)
    try:
        return audio.read(out=block)
    except soundfile.LibsndfileError:  # what it wrote before is there all the same, and it says so in its log
        return block[: np.count_nonzero(~np.isnan(block[:, 0]))]


def _signs(log: str) -> list[str]:
    """The lines of libsndfile's log that tell of damage."""

    def tells(line: str) -> bool:
        sizes = REPAIRED.search(line)
        cut = sizes is not None and int(sizes[2]) < int(sizes[1]) < UNKNOWN_BYTES
        return cut or DAMAGE.search(line) is not None

    return [line.strip(" *") for line in log.splitlines() if tells(line)]
