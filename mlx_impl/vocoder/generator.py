"""Mel and source signal to wave: the HiFT generator.

Upstream: `Snake`, `ResBlock` and `HiFTGenerator` in `chatterbox/models/s3gen/hifigan.py`. What upstream keeps in four
lists, by upsampling, is one `Level` here. Weights come with their weight norm folded (`mlx_impl/weights/vocoder.py`).
"""

from __future__ import annotations

import math

import mlx.core as mx
from mlx import nn

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops import functional as F
from mlx_impl.ops.convolution import Conv1d, ConvTranspose1d
from mlx_impl.ops.evaluation import started
from mlx_impl.ops.parallel import beside, summed
from mlx_impl.vocoder.stft import ISTFT, STFT
from spec.config import VocoderConfig


class LeakyReLU(nn.Module):
    """`b t c` -> `b t c`. x where it is positive, `slope` times x elsewhere."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def __call__(self, x: mx.array) -> mx.array:
        return F.leaky_relu(x, self.slope)


class Snake(nn.Module):
    """`b t c` -> `b t c`. x + sin(alpha x)^2 / alpha, with an alpha for each channel."""

    def __init__(self, width: int):
        super().__init__()
        self.alpha = mx.ones((width,))

    def __call__(self, x: mx.array) -> mx.array:
        return F.snake(x, self.alpha)


class ResidualUnit(nn.Module):
    """`b t c` -> `b t c`. Snake, dilated convolution, Snake, convolution, and the residual."""

    def __init__(self, width: int, kernel: int, dilation: int):
        super().__init__()
        half = kernel // 2
        self.activation1 = Snake(width)
        self.conv1 = Conv1d(width, width, kernel, dilation=dilation, padding=half * dilation)
        self.activation2 = Snake(width)
        self.conv2 = Conv1d(width, width, kernel, padding=half)

    def __call__(self, x: mx.array) -> mx.array:
        h = self.conv1(self.activation1(x))
        return self.conv2(self.activation2(h)) + x


class ResBlock(nn.Module):
    """`b t c` -> `b t c`. A residual unit for each dilation."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]):
        super().__init__()
        self.units = [ResidualUnit(width, kernel, dilation) for dilation in dilations]

    def __call__(self, x: mx.array) -> mx.array:
        for unit in self.units:
            x = unit(x)
        return x


class Join(nn.Module):
    """`b t c`, `b t c` -> `b t c`. Mel and source, added. In the `last` level the mel gets a frame more, reflected."""

    def __init__(self, last: bool):
        super().__init__()
        self.last = last

    def __call__(self, x: mx.array, source: mx.array) -> mx.array:
        return (mx.concatenate([x[:, 1:2], x], axis=1) if self.last else x) + source


class Level(nn.Module):
    """`b t c`, `b t c` -> `b t c`. One upsampling: `x` to half the width and `rate` times the frames.

    The source's spectrum joins at its frame rate; then the mean of the residual blocks is taken, which differ in kernel
    size. The last level has a frame more, as the STFT has.
    """

    def __init__(self, config: VocoderConfig, index: int):
        super().__init__()
        width, rate, kernel = config.width // 2**index, config.upsample_rates[index], config.upsample_kernels[index]
        stride = math.prod(config.upsample_rates[index + 1 :])  # the frame rate of the source to this level's
        self.last = stride == 1
        self.activation = LeakyReLU(config.slope)
        self.up = ConvTranspose1d(width, width // 2, kernel, rate, padding=(kernel - rate) // 2)
        taps = 1 if self.last else 2 * stride
        self.source_down = Conv1d(config.n_fft + 2, width // 2, taps, stride, padding=stride // 2)
        self.source_resblock = ResBlock(width // 2, config.source_kernels[index], config.dilations)
        self.join = Join(self.last)
        self.resblocks = [ResBlock(width // 2, kernel, config.dilations) for kernel in config.resblock_kernels]

    def __call__(self, x: mx.array, spectrum: mx.array) -> mx.array:
        x = self.up(self.activation(x))
        with beside(free=not self.last):
            source = self.source_resblock(self.source_down(spectrum))
        return summed(self.resblocks, self.join(x, source)) / len(self.resblocks)


class HiFTGenerator(nn.Module):
    """`b t c`, `b t 1` -> `b t`. Mel of M frames and source of N samples -> wave of N samples in -0.99 ... 0.99."""

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.config = config
        bins = config.n_fft + 2
        self.stft = STFT(config)
        self.conv_pre = Conv1d(config.mel_bins, config.width, 7, padding=3)
        self.levels = [Level(config, index) for index in range(len(config.upsample_rates))]
        self.activation = LeakyReLU(config.last_slope)
        self.conv_post = Conv1d(config.width // 2 ** len(config.upsample_rates), bins, 7, padding=3)
        self.istft = ISTFT(config)

    def begin(self, mel: mx.array, source: mx.array) -> tuple[mx.array, mx.array]:
        """What the first level takes: the mel at full width, and the spectrum of the source, which all levels take."""
        spectrum, dtype = self.stft(source.squeeze(2)), self.conv_pre.weight.dtype
        return self.conv_pre(mel.astype(dtype)), spectrum.astype(dtype)

    def finish(self, x: mx.array, observe: Observe = unobserved) -> mx.array:
        """What the last level gives -> wave `(B, N)`, float32.

        The slope is not that of the levels: upstream leaves it out.
        """
        x = self.conv_post(self.activation(x)).astype(mx.float32)
        bins = self.config.n_fft // 2 + 1
        magnitude = observe("vocoder.magnitude", F.exp(x[:, :, :bins]))
        phase = observe("vocoder.phase", mx.sin(x[:, :, bins:]))
        limit = self.config.audio_limit
        return mx.clip(self.istft(magnitude, phase), -limit, limit)

    def __call__(self, mel: mx.array, source: mx.array, observe: Observe = unobserved) -> mx.array:
        x, spectrum = self.begin(mel, source)
        for level in self.levels:
            x = started(level(x, spectrum))
        return self.finish(x, observe)
