"""Audio at 32 kHz to the same with Perth's mark, and audio to whether it has one.

Upstream: `perth_watermarker.py`, `audio_processor.py` and `utils.py` of `perth/perth_net/perth_net_implicit/`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference.ode import Observe, unobserved
from reference.vocoder.stft import ISTFT, STFT
from reference.watermark.network import Decoder, Encoder
from spec.watermark.config import WatermarkConfig


class Levels(nn.Module):
    """`b c t` -> `b f t`. Real, then imaginary parts -> magnitudes in dB, 0 at the quietest and 1 at the headroom."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.config = config

    def forward(self, spectrum: Tensor) -> Tensor:
        real, imaginary = spectrum.chunk(2, dim=1)
        magnitude = torch.hypot(real, imaginary).clip(min=self.config.quietest)
        return (20 * magnitude.log10() - self.config.lowest_level) / self.config.level_range


class Magnitudes(nn.Module):
    """`b f t` -> `b f t`. The inverse of `Levels`."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.config = config

    def forward(self, levels: Tensor) -> Tensor:
        return 10.0 ** ((levels * self.config.level_range + self.config.lowest_level) / 20)


class Watermark(nn.Module):
    """Marks waves at 32 kHz, and finds the mark."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.config = config
        self.stft = STFT(config)
        self.levels = Levels(config)
        self.encoder = Encoder(config)
        self.magnitudes = Magnitudes(config)
        self.istft = ISTFT(config)
        self.decoder = Decoder(config)

    def mark(self, wave: Tensor) -> Tensor:
        """`(B, N)` -> `(B, 320 (N // 320))`. Phases are kept."""
        spectrum = self.stft(wave)
        real, imaginary = spectrum.chunk(2, dim=1)
        marked = self.encoder(self.levels(spectrum))
        return self.istft(self.magnitudes(marked), torch.atan2(imaginary, real))

    def bits(self, wave: Tensor, observe: Observe = unobserved) -> Tensor:
        """`(B, N)` -> `(B,)`, 1 for a wave that is marked and 0 for one that is not."""
        strength = self.decoder(self.levels(self.stft(wave)))
        return observe("watermark.bit", strength.clip(0.0, 1.0).round())
