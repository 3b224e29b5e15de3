"""Perth's watermark, which upstream puts into all that it says. The watermark is no part of what is verified.

Upstream: `chatterbox/tts.py` (`ChatterboxTTS.generate`), over the package resemble-perth (the extra `watermark`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np

Watermark = Callable[[np.ndarray, int], np.ndarray]


def find_watermark() -> tuple[str, Watermark | None]:
    """What will be said of the audio, and what marks a wave `(N,)` at a rate in Hz; None where Perth cannot be used.

    Perth is used where it is installed and all that it needs; it leaves its network out without a word if it does not
    find librosa or pkg_resources.
    """
    if importlib.util.find_spec("perth") is None:
        return "no watermark (resemble-perth is not installed)", None
    try:
        import perth
    except (ImportError, OSError) as error:  # OSError: a torchaudio that was built for another PyTorch
        return f"no watermark (resemble-perth cannot be loaded: {error})", None
    if getattr(perth, "PerthImplicitWatermarker", None) is None:
        return "no watermark (resemble-perth lacks a package that it needs: install the extra `watermark`)", None
    watermarker = perth.PerthImplicitWatermarker()

    def mark(wave: np.ndarray, rate: int) -> np.ndarray:
        return watermarker.apply_watermark(wave.astype(np.float32), sample_rate=rate)

    return "with Perth's watermark", mark
