"""The short-time Fourier transform of the source, and the inverse one that makes the wave. The watermark takes both.

Upstream: `_stft` and `_istft` of `HiFTGenerator` in `chatterbox/models/s3gen/hifigan.py`.
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.spectrum import istft, stft
from spec.config import VocoderConfig
from spec.watermark.config import WatermarkConfig


class STFT(nn.Module):
    """`b t` -> `b t c`. Signal of N samples -> the real, then the imaginary parts of N / hop + 1 frames.

    Frames are centred on every hop-th sample; the signal is reflected at its ends.
    """

    def __init__(self, config: VocoderConfig | WatermarkConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop

    def __call__(self, x: mx.array) -> mx.array:
        return stft(x, self.n_fft, self.hop)


class Polar(nn.Module):
    """`b t c`, `b t c` -> `b t c`. Magnitude, at most `limit`, and phase in rad -> real, then imaginary parts."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def __call__(self, magnitude: mx.array, phase: mx.array) -> mx.array:
        magnitude = mx.minimum(magnitude, self.limit)
        return mx.concatenate([magnitude * mx.cos(phase), magnitude * mx.sin(phase)], axis=-1)


class ISTFT(nn.Module):
    """`b t c`, `b t c` -> `b t`. Magnitude and phase in rad of F frames -> hop (F - 1) samples.

    The inverse of `STFT`: windowed frames are added and divided by the sum of the squared
    windows.
    """

    def __init__(self, config: VocoderConfig | WatermarkConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop
        self.polar = Polar(config.magnitude_limit)

    def __call__(self, magnitude: mx.array, phase: mx.array) -> mx.array:
        return istft(self.polar(magnitude, phase), self.n_fft, self.hop)
