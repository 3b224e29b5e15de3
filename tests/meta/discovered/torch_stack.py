"""The reference: convolution, attention and norms, channels-first."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

WIDTH, HEADS, DEPTH = 12, 2, 3


class Attention(nn.Module):
    """`b t c` -> `b t c`, and the weights of the heads."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = (
            project(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2)), weights


class Block(nn.Module):
    """`b c t` -> `b c t`."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.conv, self.act = nn.Conv1d(WIDTH, WIDTH, 3, padding=1), nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x.transpose(1, 2)))[0].transpose(1, 2)
        return x + self.act(self.conv(self.norm2(x.transpose(1, 2)).transpose(1, 2)))


class Stack(nn.Module):
    """Features `b f t` and a style `b c` -> `b c t`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(5, WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.final = nn.LayerNorm(WIDTH)
        self.head = nn.Conv1d(WIDTH, 7, 1)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        x = self.stem(features) + style[:, :, None]
        for block in self.blocks:
            x = block(x)
        return self.head(self.final(x.transpose(1, 2)).transpose(1, 2))


def reference() -> Stack:
    """Drawn anew, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = Stack()
        for parameter in model.parameters():
            nn.init.normal_(parameter, 0.1 if parameter.ndim == 1 else 0.0, 0.4)
    return model.eval().requires_grad_(False)


def weights() -> dict[str, np.ndarray]:
    """Of the reference, by its names."""
    return {name: value.numpy() for name, value in reference().state_dict().items()}


def inputs(length: int) -> dict[str, np.ndarray]:
    """Two items of so many frames."""
    draw = np.random.default_rng(length)
    return {
        "features": draw.standard_normal((2, 5, length), np.float32),
        "style": draw.standard_normal((2, WIDTH), np.float32),
    }
