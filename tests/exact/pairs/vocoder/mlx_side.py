"""The vocoder in MLX: channels last, the weight norms multiplied out when the weights are read."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.vocoder import torch_side


class Snake(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.alpha = mx.ones(width)

    def __call__(self, x):
        return x + mx.square(mx.sin(self.alpha * x)) / (self.alpha + 1e-9)


class Unit(nn.Module):
    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.snake1 = Snake(width)
        self.dilated = nn.Conv1d(width, width, 7, padding=3 * dilation, dilation=dilation)
        self.snake2 = Snake(width)
        self.pointwise = nn.Conv1d(width, width, 1)

    def __call__(self, x):
        h = self.dilated(self.snake1(x))
        h = self.pointwise(self.snake2(h))
        return x + h


class Stage(nn.Module):
    def __init__(self, width: int, stride: int):
        super().__init__()
        self.snake = Snake(width)
        self.weight = mx.zeros((width // 2, 2 * stride, width))
        self.bias = mx.zeros(width // 2)
        self.units = [Unit(width // 2, dilation) for dilation in (1, 3)]
        self.stride = stride

    def __call__(self, x):
        x = self.snake(x)
        odd = self.stride % 2
        padding = self.stride // 2 + odd
        x = mx.conv_transpose1d(x, self.weight, stride=self.stride, padding=padding, output_padding=odd)
        x = x + self.bias
        for unit in self.units:
            x = unit(x)
        return x


class Model(nn.Module):
    def __init__(self, mels: int, width: int):
        super().__init__()
        self.inp = nn.Conv1d(mels, width, 7, padding=3)
        self.stages = [Stage(width, 3), Stage(width // 2, 2)]
        self.out = nn.Conv1d(width // 4, 1, 7, bias=False)

    def __call__(self, mel):
        x = self.inp(mel)
        for stage in self.stages:
            x = stage(x)
        x = nn.leaky_relu(x, 0.1)
        x = mx.pad(x, [(0, 0), (6, 0), (0, 0)])
        wave = mx.tanh(self.out(x))
        return wave.squeeze(-1) * 0.95


NAMES = {
    "conv_pre": "inp", "conv_post": "out", "ups": "stages", "blocks": "units", "act": "snake", "act1": "snake1",
    "act2": "snake2", "conv1": "dilated", "conv2": "pointwise",
}  # fmt: skip


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {}
    for name, value in state.items():
        new = ".".join(NAMES.get(part, part) for part in name.split("."))
        if new.endswith("alpha"):
            made[new] = value[0, :, 0]
        elif new.endswith("original0"):
            direction = state[name.replace("original0", "original1")].astype(np.float64)
            norm = np.sqrt(np.sum(direction**2, axis=(1, 2), keepdims=True))
            weight = (value * direction / norm).astype(np.float32)
            order = (1, 2, 0) if ".up." in new else (0, 2, 1)
            weight = weight.transpose(order)
            made[new.replace("parametrizations.weight.original0", "weight").replace("up.", "")] = weight
        elif not new.endswith("original1"):
            made[new.replace("up.", "")] = value
    return [(name, mx.array(np.ascontiguousarray(value))) for name, value in made.items()]


def candidate() -> nn.Module:
    model = Model(mels=10, width=16)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    model.load_weights(convert(state), strict=True)
    mx.eval(model.parameters())
    return model
