"""The toy model in MLX, channels-last."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np


class MlxMix(nn.Module):
    """`g t c` -> `g t c`."""

    def __init__(self, weight: mx.array):
        super().__init__()
        self.weight = weight

    def __call__(self, x: mx.array) -> mx.array:
        return x @ self.weight.T


class MlxResidual(nn.Module):
    """`g t c` -> `g t c`."""

    gain = 1.0

    def __init__(self, weight: mx.array):
        super().__init__()
        self.linear = MlxMix(weight)

    def __call__(self, x: mx.array) -> mx.array:
        return self.gain * (x + mx.maximum(self.linear(x), 0))


class MlxEmbedding(MlxMix):
    """`b t` -> `b t c`."""

    def __call__(self, codes: mx.array) -> mx.array:
        return self.weight[codes]


class MlxModel(nn.Module):
    def __init__(self, weights: mx.array):
        super().__init__()
        self.embedding = MlxEmbedding(weights[0])
        self.first = MlxMix(weights[1])
        self.middle = [MlxResidual(weight) for weight in weights[2:-1]]
        self.last = MlxMix(weights[-1])

    def __call__(self, x: mx.array) -> mx.array:
        x = self.first(x)
        for block in self.middle:
            x = block(x)
        return self.last(x)


class MlxParts:
    """Channels-last."""

    def __init__(self, dtype: str):
        self.dtype = getattr(mx, dtype)

    def model(self, weights: np.ndarray) -> MlxModel:
        return MlxModel(self.floats(weights))

    def tensor(self, array: np.ndarray) -> mx.array:
        return mx.array(np.ascontiguousarray(array))

    def floats(self, array: np.ndarray) -> mx.array:
        return mx.array(np.ascontiguousarray(array), dtype=self.dtype)

    def to_own_layout(self, x: mx.array) -> mx.array:
        return x

    def stack(self, parts: list[mx.array]) -> mx.array:
        return mx.concatenate(parts)

    def numpy(self, x: mx.array) -> np.ndarray:
        return np.array(x)

    def draw(self) -> None:
        mx.random.normal((3,))
