"""The short-time Fourier transform of the source, and the inverse one that makes the wave.

Upstream: `_stft` and `_istft` of `HiFTGenerator` in `chatterbox/models/s3gen/hifigan.py`.
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.spectrum import istft, stft
from spec.config import VocoderConfig


class STFT(nn.Module):
    """`b t` -> `b t c`. Signal of N samples -> the real, then the imaginary parts of N / hop + 1 frames.

    Frames are centred on every hop-th sample; the signal is reflected at its ends.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop

    def __call__(self, x: mx.array) -> mx.array:
        return stft(x, self.n_fft, self.hop)


class ISTFT(nn.Module):
    """`b t c`, `b t c` -> `b t`. Magnitude and phase in rad of F frames -> hop (F - 1) samples.

    Magnitudes are limited first. The inverse of `STFT`: windowed frames are added and divided by the sum of the squared
    windows.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.n_fft, self.hop, self.limit = config.n_fft, config.hop, config.magnitude_limit

    def __call__(self, magnitude: mx.array, phase: mx.array) -> mx.array:
        magnitude = mx.minimum(magnitude, self.limit)
        spectrum = mx.concatenate([magnitude * mx.cos(phase), magnitude * mx.sin(phase)], axis=-1)
        return istft(spectrum, self.n_fft, self.hop)
