"""A U-Net over time: a sinusoidal embedding of the step, group norms, one level down and up, skip connections."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.exact.pairs.weights import filled

CHANNELS, WIDTH, TIME, GROUPS = 6, 16, 24, 4


def embedding(t, dim: int):
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.get_default_dtype()) / (half - 1))
    angles = 1000 * t[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class ResBlock(nn.Module):
    def __init__(self, taken: int, given: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, taken)
        self.conv1 = nn.Conv1d(taken, given, 3, padding=1)
        self.time = nn.Linear(TIME, 2 * given)
        self.norm2 = nn.GroupNorm(GROUPS, given)
        self.conv2 = nn.Conv1d(given, given, 3, padding=1)
        self.skip = nn.Conv1d(taken, given, 1)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.time(F.silu(emb))[:, :, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.conv2(F.silu(h)) + self.skip(x)


class UNet(nn.Module):
    """`x (B, CHANNELS, T)`, `t (B)` from 0 to 1 -> `(B, CHANNELS, T)`."""

    def __init__(self):
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(TIME, TIME), nn.Mish(), nn.Linear(TIME, TIME))
        self.inp = nn.Conv1d(CHANNELS, WIDTH, 3, padding=1)
        self.down = ResBlock(WIDTH, WIDTH)
        self.downsample = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.middle = ResBlock(WIDTH, 2 * WIDTH)
        self.upsample = nn.Conv1d(2 * WIDTH, 2 * WIDTH, 3, padding=1)
        self.up = ResBlock(3 * WIDTH, WIDTH)
        self.norm = nn.GroupNorm(GROUPS, WIDTH, eps=1e-6)
        self.out = nn.Conv1d(WIDTH, CHANNELS, 3, padding=1)

    def forward(self, x, t):
        emb = self.time_mlp(embedding(t, TIME))
        h = self.inp(x)
        skip = self.down(h, emb)
        h = self.middle(self.downsample(skip), emb)
        h = self.upsample(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        h = self.up(torch.cat([h, skip], dim=1), emb)
        return self.out(F.silu(self.norm(h)))


def reference() -> nn.Module:
    return filled(UNet())


def inputs() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        {"x": rng.standard_normal((2, CHANNELS, length)).astype(np.float32), "t": rng.random(2).astype(np.float32)}
        for length in (18, 26)
    ]
