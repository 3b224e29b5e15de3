"""The short-time Fourier transform of the source, and the inverse one that makes the wave. The watermark takes both.

Upstream: `_stft` and `_istft` of `HiFTGenerator` in `chatterbox/models/s3gen/hifigan.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spec.config import VocoderConfig
from spec.watermark.config import WatermarkConfig
from spec.window import hann_window


class STFT(nn.Module):
    """`b t` -> `b c t`. Signal of N samples -> the real, then the imaginary parts of N / hop + 1 frames.

    Frames are centred on every hop-th sample; the signal is reflected at its ends.
    """

    def __init__(self, config: VocoderConfig | WatermarkConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop

    def forward(self, x: Tensor) -> Tensor:
        window = torch.from_numpy(hann_window(self.n_fft)).to(x)
        spectrum = torch.stft(x, self.n_fft, self.hop, self.n_fft, window=window, return_complex=True)
        return torch.cat([spectrum.real, spectrum.imag], dim=1)  # (B, n_fft + 2, N / hop + 1)


class Polar(nn.Module):
    """`b c t`, `b c t` -> `b c t`. Magnitude, at most `limit`, and phase in rad -> real, then imaginary parts."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def forward(self, magnitude: Tensor, phase: Tensor) -> Tensor:
        magnitude = magnitude.clip(max=self.limit)
        return torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], dim=1)


class ISTFT(nn.Module):
    """`b c t`, `b c t` -> `b t`. Magnitude and phase in rad of F frames -> hop (F - 1) samples.

    The inverse of `STFT`: windowed frames are added and divided by the sum of the squared
    windows.
    """

    def __init__(self, config: VocoderConfig | WatermarkConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop
        self.polar = Polar(config.magnitude_limit)

    def forward(self, magnitude: Tensor, phase: Tensor) -> Tensor:
        window = torch.from_numpy(hann_window(self.n_fft)).to(magnitude)
        real, imaginary = self.polar(magnitude, phase).chunk(2, dim=1)
        return torch.istft(torch.complex(real, imaginary), self.n_fft, self.hop, self.n_fft, window=window)
