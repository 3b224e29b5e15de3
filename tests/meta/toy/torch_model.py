"""The toy model in PyTorch, channels-first."""

from __future__ import annotations

import numpy as np
import torch


class TorchMix(torch.nn.Module):
    """`g c t` -> `g c t`."""

    def __init__(self, weight: torch.Tensor):
        super().__init__()
        self.weight = torch.nn.Parameter(weight, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight @ x


class TorchLinear(TorchMix):
    """`g t c` -> `g t c`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.T


class TorchResidual(torch.nn.Module):
    """`g c t` -> `g c t`. Writes into its linear layer's result, as in-place activations do."""

    gain = 1.0

    def __init__(self, weight: torch.Tensor):
        super().__init__()
        self.linear = TorchLinear(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gain * (x + self.linear(x.transpose(1, 2)).relu_().transpose(1, 2))


class TorchModel(torch.nn.Module):
    def __init__(self, weights: torch.Tensor):
        super().__init__()
        self.embedding = torch.nn.Embedding.from_pretrained(weights[0])
        self.first = TorchMix(weights[1])
        self.middle = torch.nn.ModuleList(TorchResidual(weight) for weight in weights[2:-1])
        self.last = TorchMix(weights[-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.middle:
            x = block(x)
        return self.last.forward(x)  # skips hooks


class TorchParts:
    """Channels-first."""

    def __init__(self, dtype: str):
        self.dtype = getattr(torch, dtype)

    def model(self, weights: np.ndarray) -> TorchModel:
        return TorchModel(self.floats(weights))

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array)

    def floats(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array).to(self.dtype)

    def to_own_layout(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2)

    def stack(self, parts: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat(parts)

    def numpy(self, x: torch.Tensor) -> np.ndarray:
        return x.numpy()

    def draw(self) -> None:
        torch.randn(3)
