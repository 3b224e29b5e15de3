"""An encoder of images: a stem with batch norm, a residual block of stride 2, a ConvNeXt block, and pooling."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.exact.pairs.weights import filled

WIDTH, CLASSES = 8, 10


class Residual(nn.Module):
    """`(B, C, H, W)` -> `(B, 2C, H / 2, W / 2)`."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * width)
        self.conv2 = nn.Conv2d(2 * width, 2 * width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.downsample = nn.Sequential(nn.Conv2d(width, 2 * width, 1, stride=2, bias=False), nn.BatchNorm2d(2 * width))

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(h)) + self.downsample(x))


class ConvNeXt(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        h = self.dwconv(x).permute(0, 2, 3, 1)
        h = self.gamma * self.pwconv2(F.gelu(self.pwconv1(self.norm(h))))
        return x + h.permute(0, 3, 1, 2)


class ImageEncoder(nn.Module):
    """`image (B, 3, H, W)` -> logits `(B, CLASSES)`."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 5, stride=2, padding=2)
        self.stem_bn = nn.BatchNorm2d(WIDTH, eps=1e-3)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.residual = Residual(WIDTH)
        self.dilated = nn.Conv2d(2 * WIDTH, 2 * WIDTH, 3, padding=2, dilation=2, groups=4)
        self.block = ConvNeXt(2 * WIDTH)
        self.norm = nn.LayerNorm(2 * WIDTH, eps=1e-6)
        self.head = nn.Linear(2 * WIDTH, CLASSES)

    def forward(self, image):
        x = self.pool(F.relu6(self.stem_bn(self.stem(image))))
        x = self.residual(x)
        x = x + F.hardswish(self.dilated(x))
        x = self.block(x)
        return self.head(self.norm(x.mean((2, 3))))


def reference() -> nn.Module:
    return filled(ImageEncoder())


def inputs() -> list[dict[str, np.ndarray]]:
    """A bright image, which reaches the limit of ReLU6, and a dark one, beside which an epsilon counts."""
    rng = np.random.default_rng(0)
    bright = np.array([6, 0.3], np.float32)[:, None, None, None]
    sizes = ((48, 40), (56, 44))
    return [{"image": bright * rng.standard_normal((2, 3, *size)).astype(np.float32)} for size in sizes]
