"""The voice without its silent ends, as T3's speaker is made of it: quiet frames before the first loud one and behind
the last are cut, pauses stay.

Upstream: `librosa.effects.trim(wave, top_db=20)`, called in `chatterbox/models/voice_encoder/voice_encoder.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from reference.ode import Observe, unobserved

FRAME, HOP = 2048, 512  # samples
SILENCE = 20.0  # dB below the loudest frame
QUIETEST = 1e-10  # power; a frame is no quieter, so that in silence all are equally loud


def loudness(wave: Tensor) -> Tensor:
    """`(1, N)` -> `(1, T)`: power of each frame, whose middle is its start in the wave, in dB of the loudest one's."""
    frames = F.pad(wave, (FRAME // 2, FRAME // 2)).unfold(1, FRAME, HOP)  # (B, T, FRAME)
    power = frames.square().mean(dim=-1).sqrt().square().clamp(min=QUIETEST)
    return 10.0 * power.log10() - 10.0 * power.amax().log10()


def trimmed(wave: Tensor, observe: Observe = unobserved) -> Tensor:
    """`(1, N)` -> the wave from the first loud frame's middle to a hop behind the last one's."""
    (loud,) = observe("trim.loud", observe("trim.loudness", loudness(wave)) > -SILENCE)
    places = torch.nonzero(loud)[:, 0].tolist()
    return wave[:, places[0] * HOP : (places[-1] + 1) * HOP]
