"""Mel to wave: the whole vocoder.

Upstream: `HiFTGenerator.inference` in `chatterbox/models/s3gen/hifigan.py`; `trim_fade` in `s3gen.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from reference.ode import Observe, unobserved
from reference.vocoder.f0 import ConvRNNF0Predictor
from reference.vocoder.generator import HiFTGenerator
from reference.vocoder.source import SourceModule
from spec.config import VocoderConfig


class Vocoder(nn.Module):
    """`b c t` -> `b t`. Mel of M frames -> wave of N = 480 M samples at 24 kHz, and the source that it was made from.

    `phase (B, harmonics)` in rad, uniform in -pi ... pi, and `noise (B, harmonics, N)`, standard normal, are the
    source's draws. `cache (B, 1, K)` replaces the first K samples of the source: the last of the one
    before, in a stream.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.config = config
        self.f0_predictor = ConvRNNF0Predictor(config)
        self.source = SourceModule(config)
        self.generator = HiFTGenerator(config)

    def excite(
        self, mel: Tensor, phase: Tensor, noise: Tensor, cache: Tensor | None = None, observe: Observe = unobserved
    ) -> Tensor:
        """The source signal `(B, 1, N)` of a mel."""
        source = self.source(self.f0_predictor(mel), phase, noise, observe)
        return source if cache is None else torch.cat([cache, source[:, :, cache.shape[2] :]], dim=2)

    def forward(
        self, mel: Tensor, phase: Tensor, noise: Tensor, cache: Tensor | None = None, observe: Observe = unobserved
    ) -> tuple[Tensor, Tensor]:
        """Wave `(B, N)`, not faded, and source `(B, 1, N)`."""
        source = self.excite(mel, phase, noise, cache, observe)
        return self.generator(mel, source, observe), source


def fade_in(wave: Tensor, sample_rate: int) -> Tensor:
    """Wave `(B, N)` with 20 ms silenced and the next 20 ms faded in: they hold what is left of the reference voice."""
    samples = sample_rate // 50
    ramp = (torch.cos(torch.linspace(math.pi, 0, samples, dtype=wave.dtype, device=wave.device)) + 1) / 2
    fade = torch.cat([torch.zeros_like(ramp), ramp])
    return torch.cat([wave[:, : 2 * samples] * fade, wave[:, 2 * samples :]], dim=1)
