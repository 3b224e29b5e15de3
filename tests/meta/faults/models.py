"""Models and their ports: a function for `parity prove`, a layer for `parity discover`."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn
import torch


def reference(x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(2 * x)


def candidate(x: mx.array) -> mx.array:
    return mx.tanh(2 * x)


def departing(x: mx.array) -> mx.array:
    return mx.sin(2 * x)


class TorchScale(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.norm(x)


class MlxScale(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scaled = mlx.nn.LayerNorm(4)

    def __call__(self, x: mx.array) -> mx.array:
        return 2 * self.scaled(x)
