"""Where Perth's weights are: in the package resemble-perth (the extra `watermark`), which is found and never imported.

Upstream imports it, with torchaudio and librosa (`chatterbox/tts.py`). Here its weights are all that is taken.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from spec.watermark.weights import FILE

PACKAGE = "perth"
PLACE = Path("perth_net", "pretrained", "implicit", FILE)


def find_watermark() -> tuple[str, Path | None]:
    """What will be said of the audio, and the file of the weights; None where there is none, and no mark."""
    found = importlib.util.find_spec(PACKAGE)  # of a package at the top: nothing of it runs
    if found is None or found.origin is None:
        return "no watermark (resemble-perth is not installed)", None
    file = Path(found.origin).parent / PLACE
    if not file.is_file():
        return f"no watermark (resemble-perth has no {FILE}: install the extra `watermark`)", None
    return "with Perth's watermark", file
