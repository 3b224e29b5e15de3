"""The voice without its silent ends, as T3's speaker is made of it: quiet frames before the first loud one and behind
the last are cut, pauses stay.

Upstream: `librosa.effects.trim(wave, top_db=20)`, called in `chatterbox/models/voice_encoder/voice_encoder.py`.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.spectrum import framed
from mlx_impl.ops.summation import blocked_sum

FRAME, HOP = 2048, 512  # samples
SILENCE = 20.0  # dB below the loudest frame
QUIETEST = 1e-10  # power; a frame is no quieter, so that in silence all are equally loud


def loudness(wave: mx.array) -> mx.array:
    """`(1, N)` -> `(1, T)`: power of each frame, whose middle is its start in the wave, in dB of the loudest one's."""
    frames = framed(mx.pad(wave, ((0, 0), (FRAME // 2, FRAME // 2))), FRAME, HOP)  # (B, T, FRAME)
    power = blocked_sum(mx.square(frames)[..., None])[..., 0, 0] / FRAME
    decibels = 10.0 * mx.log10(mx.maximum(power, QUIETEST))
    return decibels - decibels.max()


def trimmed(wave: mx.array, observe: Observe = unobserved) -> mx.array:
    """`(1, N)` -> the wave from the first loud frame's middle to a hop behind the last one's."""
    (loud,) = np.array(observe("trim.loud", observe("trim.loudness", loudness(wave)) > -SILENCE))
    places = np.flatnonzero(loud).tolist()
    return wave[:, places[0] * HOP : (places[-1] + 1) * HOP]
