"""The image encoder in MLX: channels last, each batch norm after a convolution folded into it."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.image import torch_side


class BasicBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.a = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.b = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.shortcut = nn.Conv2d(width, 2 * width, 1, stride=2)

    def __call__(self, x):
        h = nn.relu(self.a(x))
        h = self.b(h)
        return nn.relu(h + self.shortcut(x))


class NextBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.ln = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, 4 * width)
        self.reduce = nn.Linear(4 * width, width)
        self.layer_scale = mx.ones(width)

    def __call__(self, x):
        h = self.ln(self.depthwise(x))
        h = self.reduce(nn.gelu(self.expand(h)))
        return x + self.layer_scale * h


class Model(nn.Module):
    def __init__(self, width: int, classes: int):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 5, stride=2, padding=2)
        self.stem_norm = nn.BatchNorm(width, eps=1e-3)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.basic = BasicBlock(width)
        self.atrous = nn.Conv2d(2 * width, 2 * width, 3, padding=2, dilation=2, groups=4)
        self.next = NextBlock(2 * width)
        self.ln = nn.LayerNorm(2 * width, eps=1e-6)
        self.classifier = nn.Linear(2 * width, classes)

    def __call__(self, image):
        x = self.stem_norm(self.stem(image))
        x = nn.relu6(x)
        x = self.maxpool(x)
        x = self.basic(x)
        x = x + nn.hardswish(self.atrous(x))
        x = self.next(x)
        pooled = mx.mean(x, axis=(1, 2))
        return self.classifier(self.ln(pooled))


NAMES = {
    "stem_bn": "stem_norm", "residual": "basic", "dilated": "atrous", "block": "next", "norm": "ln",
    "head": "classifier", "dwconv": "depthwise", "pwconv1": "expand", "pwconv2": "reduce", "gamma": "layer_scale",
}  # fmt: skip


def folded(state: dict[str, np.ndarray], conv: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a convolution without bias, and the batch norm behind it."""
    mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    factor = state[f"{norm}.weight"].astype(np.float64) / np.sqrt(var.astype(np.float64) + 1e-5)
    weight = state[f"{conv}.weight"] * factor[:, None, None, None]
    bias = state[f"{norm}.bias"] - mean * factor
    return weight.astype(np.float32), bias.astype(np.float32)


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {}
    for name, value in state.items():
        if name.startswith("residual.") or name.endswith("num_batches_tracked"):
            continue
        made[".".join(NAMES.get(part, part) for part in name.split("."))] = value
    for new, conv, norm in (("a", "conv1", "bn1"), ("b", "conv2", "bn2"), ("shortcut", "downsample.0", "downsample.1")):
        weight, bias = folded(state, f"residual.{conv}", f"residual.{norm}")
        made[f"basic.{new}.weight"], made[f"basic.{new}.bias"] = weight, bias
    turned = {name: value.transpose(0, 2, 3, 1) if value.ndim == 4 else value for name, value in made.items()}
    return [(name, mx.array(np.ascontiguousarray(value))) for name, value in turned.items()]


def candidate() -> nn.Module:
    model = Model(width=8, classes=10)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    model.load_weights(convert(state), strict=True)
    mx.eval(model.parameters())
    return model
