"""Audio at 32 kHz to the same with Perth's mark, and audio to whether it has one.

Upstream: `perth_watermarker.py`, `audio_processor.py` and `utils.py` of `perth/perth_net/perth_net_implicit/`.
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ode import Observe, unobserved
from mlx_impl.vocoder.stft import ISTFT, STFT
from mlx_impl.watermark.network import Decoder, Encoder
from spec.watermark.config import WatermarkConfig


class Levels(nn.Module):
    """`b t c` -> `b t f`. Real, then imaginary parts -> magnitudes in dB, 0 at the quietest and 1 at the headroom."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.config = config

    def __call__(self, spectrum: mx.array) -> mx.array:
        real, imaginary = mx.split(spectrum, 2, axis=-1)
        magnitude = mx.maximum(mx.sqrt(mx.square(real) + mx.square(imaginary)), self.config.quietest)
        return (20 * mx.log10(magnitude) - self.config.lowest_level) / self.config.level_range


class Magnitudes(nn.Module):
    """`b t f` -> `b t f`. The inverse of `Levels`."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.config = config

    def __call__(self, levels: mx.array) -> mx.array:
        return mx.power(10.0, (levels * self.config.level_range + self.config.lowest_level) / 20)


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

    def mark(self, wave: mx.array) -> mx.array:
        """`(B, N)` -> `(B, 320 (N // 320))`. Phases are kept."""
        spectrum = self.stft(wave)
        real, imaginary = mx.split(spectrum, 2, axis=-1)
        marked = self.encoder(self.levels(spectrum))
        return self.istft(self.magnitudes(marked), mx.arctan2(imaginary, real))

    def bits(self, wave: mx.array, observe: Observe = unobserved) -> mx.array:
        """`(B, N)` -> `(B,)`, 1 for a wave that is marked and 0 for one that is not."""
        strength = self.decoder(self.levels(self.stft(wave)))
        return observe("watermark.bit", mx.round(mx.clip(strength, 0.0, 1.0)))
