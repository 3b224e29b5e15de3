"""A vocoder: transposed convolutions, Snake, dilated residual blocks, and weight norm on every convolution."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from tests.exact.pairs.weights import filled

MELS, WIDTH = 10, 16


class Snake(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, width, 1))

    def forward(self, x):
        return x + (1.0 / (self.alpha + 1e-9)) * torch.sin(self.alpha * x).pow(2)


class ResBlock(nn.Module):
    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.act1 = Snake(width)
        self.conv1 = weight_norm(nn.Conv1d(width, width, 7, padding=3 * dilation, dilation=dilation))
        self.act2 = Snake(width)
        self.conv2 = weight_norm(nn.Conv1d(width, width, 1))

    def forward(self, x):
        return x + self.conv2(self.act2(self.conv1(self.act1(x))))


class Upsample(nn.Module):
    def __init__(self, width: int, stride: int):
        super().__init__()
        self.act = Snake(width)
        self.up = weight_norm(
            nn.ConvTranspose1d(
                width, width // 2, 2 * stride, stride, padding=stride // 2 + stride % 2, output_padding=stride % 2
            )
        )
        self.blocks = nn.ModuleList(ResBlock(width // 2, dilation) for dilation in (1, 3))

    def forward(self, x):
        x = self.up(self.act(x))
        for block in self.blocks:
            x = block(x)
        return x


class Vocoder(nn.Module):
    """`mel (B, MELS, T)` -> wave `(B, 6T)`."""

    def __init__(self):
        super().__init__()
        self.conv_pre = weight_norm(nn.Conv1d(MELS, WIDTH, 7, padding=3))
        self.ups = nn.ModuleList([Upsample(WIDTH, 3), Upsample(WIDTH // 2, 2)])
        self.conv_post = weight_norm(nn.Conv1d(WIDTH // 4, 1, 7, bias=False))

    def forward(self, mel):
        x = self.conv_pre(mel)
        for up in self.ups:
            x = up(x)
        x = F.pad(F.leaky_relu(x, 0.1), (6, 0))
        return torch.tanh(self.conv_post(x)).squeeze(1) * 0.95


def reference() -> nn.Module:
    model = filled(Vocoder())
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("alpha"):
                value.copy_(value.abs() + 0.5)
            elif name.endswith("original0"):
                value.copy_(value.abs() + 0.3)
    return model


def inputs() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [{"mel": rng.standard_normal((2, MELS, length)).astype(np.float32)} for length in (15, 19)]
