"""The two networks over levels of magnitudes: one adds the mark to a band of them, the other looks for it.

Upstream: `model/encoder.py`, `model/decoder.py` and `model/__init__.py` of `perth/perth_net/perth_net_implicit/`.
What upstream keeps in three lists, by rate, is one `Branch` here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spec.watermark.config import WatermarkConfig


class Layer(nn.Module):
    """`b c t` -> `b c t`. A convolution of odd kernel that keeps the frames, and a leaky ReLU of `slope`; 1 is none."""

    def __init__(self, width_in: int, width: int, kernel: int, slope: float):
        super().__init__()
        self.conv = nn.Conv1d(width_in, width, kernel, padding=kernel // 2)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), self.slope)


def layers(config: WatermarkConfig, width_out: int) -> nn.ModuleList:
    """A band of levels to `width_out` channels: only the layers in the middle see more than one frame."""
    middle = (config.width, config.width, config.kernel, config.slope)
    return nn.ModuleList(
        [
            Layer(config.band, config.width, 1, config.slope),
            *(Layer(*middle) for _ in range(config.middle_layers)),
            Layer(config.width, width_out, 1, 1.0),
        ]
    )


class FrameSums(nn.Module):
    """`b f t` -> `b t`. The levels of each frame, added."""

    def forward(self, levels: Tensor) -> Tensor:
        return levels.sum(dim=1)


class Mask(nn.Module):
    """`b t` -> `b t`. 1 where a frame's sum is more than a share of the highest, 0 in silence."""

    def __init__(self, silence: float):
        super().__init__()
        self.silence = silence

    def forward(self, sums: Tensor) -> Tensor:
        return (sums > self.silence * sums.amax(dim=1, keepdim=True)).to(sums.dtype)


class Encoder(nn.Module):
    """`b f t` -> `b f t`. Levels, and what the layers make of the band is added there in all frames but silence."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.band = config.band
        self.sums = FrameSums()
        self.mask = Mask(config.silence)
        self.layers = layers(config, config.band)

    def forward(self, levels: Tensor) -> Tensor:
        mask = self.mask(self.sums(levels))
        band = residual = levels[:, : self.band]
        for layer in self.layers:
            residual = layer(residual)
        return torch.cat([band + residual * mask[:, None], levels[:, self.band :]], dim=1)


class Stretched(nn.Module):
    """`b c t` -> `b c s`. To `rate` times the frames, linearly; the first and the last frame stay."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, int(x.shape[2] * self.rate), mode="linear", align_corners=True)


class StretchedMask(nn.Module):
    """`b t` -> `b s`. To `rate` times the frames, each that of the one it falls into."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, mask: Tensor) -> Tensor:
        return F.interpolate(mask[:, None], int(mask.shape[1] * self.rate), mode="nearest")[:, 0]


class MaskedMean(nn.Module):
    """`b c t`, `b t` -> `b c`. The mean over the frames whose mask is 1."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return (x * mask[:, None]).sum(dim=2) / mask.sum(dim=1, keepdim=True)


class Branch(nn.Module):
    """`b c t`, `b t` -> `b 2`. How much this rate is to be heeded, and the mark that is found at it."""

    def __init__(self, config: WatermarkConfig, rate: float):
        super().__init__()
        self.stretched = Stretched(rate)
        self.layers = layers(config, 2)
        self.mask = StretchedMask(rate)
        self.mean = MaskedMean()

    def forward(self, band: Tensor, mask: Tensor) -> Tensor:
        x = self.stretched(band)
        for layer in self.layers:
            x = layer(x)
        return self.mean(x, self.mask(mask))


class Attention(nn.Module):
    """`b c` -> `b c`. Shares of the branches, which add up to 1."""

    def forward(self, heed: Tensor) -> Tensor:
        return heed.softmax(dim=1)


class Decoder(nn.Module):
    """`b f t` -> `b`. Levels -> about 1 where they are marked, about 0 where not."""

    def __init__(self, config: WatermarkConfig):
        super().__init__()
        self.band = config.band
        self.sums = FrameSums()
        self.mask = Mask(config.silence)
        self.branches = nn.ModuleList(Branch(config, rate) for rate in config.rates)
        self.attention = Attention()

    def forward(self, levels: Tensor) -> Tensor:
        mask = self.mask(self.sums(levels))
        band = levels[:, : self.band]
        found = torch.stack([branch(band, mask) for branch in self.branches], dim=1)  # (B, branches, 2)
        return (self.attention(found[..., 0]) * found[..., 1]).sum(dim=1)
