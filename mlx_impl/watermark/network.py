"""The two networks over levels of magnitudes: one adds the mark to a band of them, the other looks for it.

Upstream: `model/encoder.py`, `model/decoder.py` and `model/__init__.py` of `perth/perth_net/perth_net_implicit/`.
What upstream keeps in three lists, by rate, is one `Branch` here.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from mlx import nn

from mlx_impl.ops.convolution import Conv1d
from mlx_impl.ops.functional import leaky_relu
from mlx_impl.ops.precision import working_float
from mlx_impl.ops.summation import pairwise_sum
from spec.watermark.config import WatermarkConfig


class Layer(nn.Module):
    """`b t c` -> `b t c`. A convolution of odd kernel that keeps the frames, and a leaky ReLU of `slope`; 1 is none."""

    def __init__(self, width_in: int, width: int, kernel: int, slope: float):
        super().__init__()
        self.conv = Conv1d(width_in, width, kernel, padding=kernel // 2)
        self.slope = slope

    def __call__(self, x: mx.array) -> mx.array:
        return leaky_relu(self.conv(x), self.slope)


def layers(config: WatermarkConfig, width_out: int) -> list[Layer]:
    """A band of levels to `width_out` channels: only the layers in the middle see more than one frame."""
    middle = (config.width, config.width, config.kernel, config.slope)
    return [
        Layer(config.band, config.width, 1, config.slope),
        *(Layer(*middle) for _ in range(config.middle_layers)),
        Layer(config.width, width_out, 1, 1.0),
    ]


class FrameSums(nn.Module):
    """`b t f` -> `b t`. The levels of each frame, added."""

    def __call__(self, levels: mx.array) -> mx.array:
        return pairwise_sum(levels[..., None])[..., 0, 0]


class Mask(nn.Module):
    """`b t` -> `b t`. 1 where a frame's sum is more than a share of the highest, 0 in silence."""

    def __init__(self, silence: float):
        super().__init__()
        self.silence = silence

    def __call__(self, sums: mx.array) -> mx.array:
        return (sums > self.silence * sums.max(axis=1, keepdims=True)).astype(sums.dtype)


class Encoder(nn.Module):
    """`b t f` -> `b t f`. Levels, and what the layers make of the band is added there in all frames but silence."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.band = config.band
        self.sums = FrameSums()
        self.mask = Mask(config.silence)
        self.layers = layers(config, config.band)

    def __call__(self, levels: mx.array) -> mx.array:
        mask = self.mask(self.sums(levels))
        band = residual = levels[..., : self.band]
        for layer in self.layers:
            residual = layer(residual)
        return mx.concatenate([band + residual * mask[..., None], levels[..., self.band :]], axis=-1)


class Stretched(nn.Module):
    """`b t c` -> `b s c`. To `rate` times the frames, linearly; the first and the last frame stay."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def __call__(self, x: mx.array) -> mx.array:
        frames = x.shape[1]
        places = np.linspace(0, frames - 1, int(frames * self.rate))
        before = np.minimum(places.astype(np.int32), frames - 2)
        share = mx.array((places - before).astype(working_float()))[:, None]
        return x[:, mx.array(before)] * (1 - share) + x[:, mx.array(before + 1)] * share


class StretchedMask(nn.Module):
    """`b t` -> `b s`. To `rate` times the frames, each that of the one it falls into."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def __call__(self, mask: mx.array) -> mx.array:
        frames, number = mask.shape[1], working_float()
        count = int(frames * self.rate)
        places = np.arange(count, dtype=number) * number(frames / count)  # rounded as PyTorch rounds them
        return mask[:, mx.array(np.minimum(places.astype(np.int32), frames - 1))]


class MaskedMean(nn.Module):
    """`b t c`, `b t` -> `b c`. The mean over the frames whose mask is 1."""

    def __call__(self, x: mx.array, mask: mx.array) -> mx.array:
        return pairwise_sum(x * mask[..., None])[:, 0] / mask.sum(axis=1, keepdims=True)


class Branch(nn.Module):
    """`b t c`, `b t` -> `b 2`. How much this rate is to be heeded, and the mark that is found at it."""

    def __init__(self, config: WatermarkConfig, rate: float):
        super().__init__()
        self.stretched = Stretched(rate)
        self.layers = layers(config, 2)
        self.mask = StretchedMask(rate)
        self.mean = MaskedMean()

    def __call__(self, band: mx.array, mask: mx.array) -> mx.array:
        x = self.stretched(band)
        for layer in self.layers:
            x = layer(x)
        return self.mean(x, self.mask(mask))


class Attention(nn.Module):
    """`b c` -> `b c`. Shares of the branches, which add up to 1."""

    def __call__(self, heed: mx.array) -> mx.array:
        return mx.softmax(heed, axis=1)


class Decoder(nn.Module):
    """`b t f` -> `b`. Levels -> about 1 where they are marked, about 0 where not."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.band = config.band
        self.sums = FrameSums()
        self.mask = Mask(config.silence)
        self.branches = [Branch(config, rate) for rate in config.rates]
        self.attention = Attention()

    def __call__(self, levels: mx.array) -> mx.array:
        mask = self.mask(self.sums(levels))
        band = levels[..., : self.band]
        found = mx.stack([branch(band, mask) for branch in self.branches], axis=1)  # (B, branches, 2)
        return (self.attention(found[..., 0]) * found[..., 1]).sum(axis=1)
