"""An audio file to the voices that conditioning starts from: read, mixed, resampled and cut. No framework.

Upstream: `chatterbox/tts.py` (`prepare_conditionals`), over librosa's `load` and `resample`. Here soundfile and soxr
are called directly, which is what librosa does with them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spec.config import check_wave
from spec.files.audio_file import decoded

PROMPT_RATE, VOICE_RATE = 24000, 16000  # Hz
PROMPT_SECONDS, T3_SECONDS = 10, 6
LONGEST = 600  # s of a file that are read; upstream reads all of it, whatever memory that takes
SILENT = 1e-4  # of full scale, the peak below which there is nothing to imitate: -80 dB
FULL_SCALE = 0.99, 1.0  # a cut peak lies between, whatever the file's bits; floating-point samples may go beyond
CLIPPED = 0.01  # of the samples at full scale that make a voice sound distorted
LOUDEST = 4.0  # times full scale, the peak above which samples are integers that were never scaled, or damaged


class Voice(NamedTuple):
    """One voice, mono, `(N,)` each: the flow's prompt at 24 kHz, T3's at 16 kHz, and all of it at 16 kHz."""

    voice_24: np.ndarray
    voice_16: np.ndarray
    whole_16: np.ndarray


def load_voice(
    file: Path,
    warn: Callable[[str], object] = warnings.warn,
    cut: Callable[[np.ndarray, int], Voice] | None = None,
) -> Voice:
    """The voices of an audio file, as `cut` makes them of samples and rate: `voice_of` where it is None.

    `warn` is told of one that is used all the same: damaged, cut short, clipped, far too loud, or cut after 10 minutes.

    Raises `ValueError` for a file that cannot be read, is too short or silent, or holds NaN or infinite samples. (To
    upstream, silence is a voice like any other: `voice_of` takes it.)
    """
    samples, rate = read(file, warn)
    try:
        check_wave("the recording", samples, rate)
        if (peak := np.abs(samples).max()) < SILENT:
            raise ValueError(
                f"the recording is silent, its peak is {peak:.1e} of full scale, expected at least {SILENT:.0e}; "
                "record or convert it again (channels of opposite phase cancel when they are mixed)"
            )
        return (cut or voice_of)(samples, rate)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def load_speech(file: Path, warn: Callable[[str], object] = warnings.warn) -> np.ndarray:
    """The speech of an audio file, mono, `(N,)` at 16 kHz. `warn` is told of what `load_voice` tells it.

    Raises `ValueError` for a file that cannot be read, is too short, or holds NaN or infinite samples. Silence is
    speech like any other, upstream as here (`chatterbox/vc.py`).
    """
    samples, rate = read(file, warn)
    try:
        check_wave("the recording", samples, rate)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return resample(samples.astype(np.float32), rate, VOICE_RATE)


def read(file: Path, warn: Callable[[str], object] = warnings.warn) -> tuple[np.ndarray, int]:
    """Samples `(N,)` as float32, the mean of all channels, and the rate in Hz."""
    blocks, rate = decoded(file, "float32", warn, LONGEST)
    mixed, clipped, peak = [], 0.0, 0.0
    for block in blocks:  # (frames, channels)
        mixed.append(np.mean(block.T, axis=0))
        size = np.abs(block)
        clipped += float(np.mean((size >= FULL_SCALE[0]) & (size <= FULL_SCALE[1]), axis=1).sum())
        peak = max(peak, float(np.max(size, initial=0, where=np.isfinite(size))))
    samples = np.concatenate(mixed)
    if clipped > CLIPPED * len(samples):
        share = clipped / len(samples)
        warn(f"{file}: clipped, {share:.0%} of its samples are at full scale; a cleaner recording gives a better voice")
    if peak > LOUDEST:
        warn(f"{file}: its peak is {peak:.3g} times full scale, expected about 1; scale it to within ±1")
    return samples, rate


def voice_of(samples: np.ndarray, rate: int) -> Voice:
    """The voices of a mono recording `(N,)`. Raises `ValueError` as `check_wave` does.

    Samples beyond ±1 are taken as they are, and silence is a voice like any other, upstream as here.
    """
    check_wave("the recording", samples, rate)
    voice_24 = resample(samples.astype(np.float32), rate, PROMPT_RATE)
    voice_16 = resample(voice_24, PROMPT_RATE, VOICE_RATE)
    return Voice(
        voice_24=voice_24[: PROMPT_SECONDS * PROMPT_RATE],
        voice_16=voice_16[: T3_SECONDS * VOICE_RATE],
        whole_16=voice_16,
    )


def resample(wave: np.ndarray, source: int, target: int) -> np.ndarray:
    """`(N,)` at `source` Hz -> ceil(N * target / source) samples, by soxr at its high quality; librosa's default."""
    if source == target:
        return wave
    import soxr

    length = int(np.ceil(len(wave) * (float(target) / source)))
    resampled = soxr.resample(wave, source, target, quality="soxr_hq")[:length]
    return np.pad(resampled, (0, length - len(resampled)))
