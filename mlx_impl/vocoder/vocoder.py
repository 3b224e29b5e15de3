"""Mel to wave: the whole vocoder.

Upstream: `HiFTGenerator.inference` in `chatterbox/models/s3gen/hifigan.py`; `trim_fade` in `s3gen.py`.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from mlx import nn

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.precision import working_float
from mlx_impl.vocoder.f0 import ConvRNNF0Predictor
from mlx_impl.vocoder.generator import HiFTGenerator
from mlx_impl.vocoder.source import SourceModule
from spec.config import VocoderConfig


class Vocoder(nn.Module):
    """`b t c` -> `b t`. Mel of M frames -> wave of N = 480 M samples at 24 kHz, and the source that it was made from.

    `phase (B, harmonics)` in rad, uniform in -pi ... pi, and `noise (B, N, harmonics)`, standard normal, are the
    source's draws. `cache (B, K, 1)` replaces the first K samples of the source: the last of the one
    before, in a stream.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.config = config
        self.f0_predictor = ConvRNNF0Predictor(config)
        self.source = SourceModule(config)
        self.generator = HiFTGenerator(config)

    def excite(
        self,
        mel: mx.array,
        phase: mx.array,
        noise: mx.array,
        cache: mx.array | None = None,
        observe: Observe = unobserved,
    ) -> mx.array:
        """The source signal `(B, N, 1)` of a mel."""
        source = self.source(self.f0_predictor(mel), phase, noise, observe)
        return source if cache is None else mx.concatenate([cache, source[:, cache.shape[1] :]], axis=1)

    def __call__(
        self,
        mel: mx.array,
        phase: mx.array,
        noise: mx.array,
        cache: mx.array | None = None,
        observe: Observe = unobserved,
    ) -> tuple[mx.array, mx.array]:
        """Wave `(B, N)`, not faded, and source `(B, N, 1)`."""
        source = self.excite(mel, phase, noise, cache, observe)
        return self.generator(mel, source, observe), source


def fade_in(wave: mx.array, sample_rate: int) -> mx.array:
    """Wave `(B, N)` with 20 ms silenced and the next 20 ms faded in: they hold what is left of the reference voice."""
    samples = sample_rate // 50
    ramp = (np.cos(np.linspace(np.pi, 0, samples)) + 1) / 2
    fade = mx.array(np.concatenate([np.zeros(samples), ramp]).astype(working_float()))
    return mx.concatenate([wave[:, : 2 * samples] * fade, wave[:, 2 * samples :]], axis=1)
