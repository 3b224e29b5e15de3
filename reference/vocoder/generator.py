"""Mel and source signal to wave: the HiFT generator.

Upstream: `Snake`, `ResBlock` and `HiFTGenerator` in `chatterbox/models/s3gen/hifigan.py`. What upstream keeps in four
lists, by upsampling, is one `Level` here. Weights come with their weight norm folded (`reference/weights/vocoder.py`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.ode import Observe, unobserved
from reference.vocoder.stft import ISTFT, STFT
from spec.config import VocoderConfig


class LeakyReLU(nn.Module):
    """`b c t` -> `b c t`. x where it is positive, `slope` times x elsewhere."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.slope)


class Snake(nn.Module):
    """`b c t` -> `b c t`. x + sin(alpha x)^2 / alpha, with an alpha for each channel."""

    def __init__(self, width: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.alpha[None, :, None]
        return x + (1.0 / (alpha + 1e-9)) * torch.sin(x * alpha).pow(2)


class ResidualUnit(nn.Module):
    """`b c t` -> `b c t`. Snake, dilated convolution, Snake, convolution, and the residual."""

    def __init__(self, width: int, kernel: int, dilation: int):
        super().__init__()
        half = kernel // 2
        self.activation1 = Snake(width)
        self.conv1 = nn.Conv1d(width, width, kernel, dilation=dilation, padding=half * dilation)
        self.activation2 = Snake(width)
        self.conv2 = nn.Conv1d(width, width, kernel, padding=half)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.activation1(x))
        return self.conv2(self.activation2(h)) + x


class ResBlock(nn.Module):
    """`b c t` -> `b c t`. A residual unit for each dilation."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]):
        super().__init__()
        self.units = nn.ModuleList(ResidualUnit(width, kernel, dilation) for dilation in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for unit in self.units:
            x = unit(x)
        return x


class Join(nn.Module):
    """`b c t`, `b c t` -> `b c t`. Mel and source, added. In the `last` level the mel gets a frame more, reflected."""

    def __init__(self, last: bool):
        super().__init__()
        self.last = last

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        return (F.pad(x, (1, 0), mode="reflect") if self.last else x) + source


class Level(nn.Module):
    """`b c t`, `b c t` -> `b c t`. One upsampling: `x` to half the width and `rate` times the frames.

    The source's spectrum joins at its frame rate; then the mean of the residual blocks is taken, which differ in kernel
    size. The last level has a frame more, as the STFT has.
    """

    def __init__(self, config: VocoderConfig, index: int):
        super().__init__()
        width, rate, kernel = config.width // 2**index, config.upsample_rates[index], config.upsample_kernels[index]
        stride = math.prod(config.upsample_rates[index + 1 :])  # the frame rate of the source to this level's
        last = stride == 1
        self.activation = LeakyReLU(config.slope)
        self.up = nn.ConvTranspose1d(width, width // 2, kernel, rate, padding=(kernel - rate) // 2)
        taps = 1 if last else 2 * stride
        self.source_down = nn.Conv1d(config.n_fft + 2, width // 2, taps, stride, padding=stride // 2)
        self.source_resblock = ResBlock(width // 2, config.source_kernels[index], config.dilations)
        self.join = Join(last)
        self.resblocks = nn.ModuleList(
            ResBlock(width // 2, kernel, config.dilations) for kernel in config.resblock_kernels
        )

    def forward(self, x: Tensor, spectrum: Tensor) -> Tensor:
        x = self.join(self.up(self.activation(x)), self.source_resblock(self.source_down(spectrum)))
        total = self.resblocks[0](x)
        for block in self.resblocks[1:]:
            total = total + block(x)
        return total / len(self.resblocks)


class HiFTGenerator(nn.Module):
    """`b c t`, `b 1 t` -> `b t`. Mel of M frames and source of N samples -> wave of N samples in -0.99 ... 0.99."""

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.config = config
        bins = config.n_fft + 2
        self.stft = STFT(config)
        self.conv_pre = nn.Conv1d(config.mel_bins, config.width, 7, padding=3)
        self.levels = nn.ModuleList(Level(config, index) for index in range(len(config.upsample_rates)))
        self.activation = LeakyReLU(config.last_slope)
        self.conv_post = nn.Conv1d(config.width // 2 ** len(config.upsample_rates), bins, 7, padding=3)
        self.istft = ISTFT(config)

    def begin(self, mel: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """What the first level takes: the mel at full width, and the spectrum of the source, which all levels take."""
        spectrum = self.stft(source.squeeze(1))
        return self.conv_pre(mel), spectrum

    def finish(self, x: Tensor, observe: Observe = unobserved) -> Tensor:
        """What the last level gives -> wave `(B, N)`. The slope is not that of the levels: upstream leaves it out."""
        x = self.conv_post(self.activation(x))
        bins = self.config.n_fft // 2 + 1
        magnitude = observe("vocoder.magnitude", torch.exp(x[:, :bins]))
        phase = observe("vocoder.phase", torch.sin(x[:, bins:]))
        limit = self.config.audio_limit
        return self.istft(magnitude, phase).clamp(-limit, limit)

    def forward(self, mel: Tensor, source: Tensor, observe: Observe = unobserved) -> Tensor:
        x, spectrum = self.begin(mel, source)
        for level in self.levels:
            x = level(x, spectrum)
        return self.finish(x, observe)
