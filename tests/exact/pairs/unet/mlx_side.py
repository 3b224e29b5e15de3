"""The U-Net in MLX: channels last, and MLX's own norms, activations and upsampling."""

from __future__ import annotations

import math

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.unet import torch_side

GROUPS = 4


def timestep(t, dim: int):
    half = dim // 2
    freqs = mx.exp(mx.arange(half) * (-math.log(10000) / (half - 1)))
    args = t[:, None] * 1000 * freqs
    return mx.concatenate([mx.sin(args), mx.cos(args)], axis=-1)


class ResnetBlock(nn.Module):
    def __init__(self, taken: int, given: int, time: int):
        super().__init__()
        self.gn1 = nn.GroupNorm(GROUPS, taken, pytorch_compatible=True)
        self.c1 = nn.Conv1d(taken, given, 3, padding=1)
        self.film = nn.Linear(time, 2 * given)
        self.gn2 = nn.GroupNorm(GROUPS, given, eps=1e-5, pytorch_compatible=True)
        self.c2 = nn.Conv1d(given, given, 3, padding=1)
        self.proj = nn.Linear(taken, given)

    def __call__(self, x, temb):
        h = self.c1(nn.silu(self.gn1(x)))
        scale, shift = mx.split(self.film(nn.silu(temb))[:, None], 2, axis=-1)
        h = self.gn2(h)
        h = h * (1 + scale) + shift
        h = self.c2(nn.silu(h))
        return h + self.proj(x)


class Model(nn.Module):
    def __init__(self, channels: int, width: int, time: int):
        super().__init__()
        self.time1 = nn.Linear(time, time)
        self.time2 = nn.Linear(time, time)
        self.stem = nn.Conv1d(channels, width, 3, padding=1)
        self.enc = ResnetBlock(width, width, time)
        self.pool = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.mid = ResnetBlock(width, 2 * width, time)
        self.unpool = nn.Conv1d(2 * width, 2 * width, 3, padding=1)
        self.dec = ResnetBlock(3 * width, width, time)
        self.gn = nn.GroupNorm(GROUPS, width, eps=1e-6, pytorch_compatible=True)
        self.head = nn.Conv1d(width, channels, 3, padding=1)
        self.time = time

    def __call__(self, x, t):
        temb = self.time1(timestep(t, self.time))
        temb = self.time2(nn.mish(temb))
        h = self.stem(x)
        skip = self.enc(h, temb)
        h = self.mid(self.pool(skip), temb)
        h = mx.repeat(h, 2, axis=1)
        h = self.unpool(h)
        h = mx.concatenate([h, skip], axis=-1)
        h = self.dec(h, temb)
        h = nn.silu(self.gn(h))
        return self.head(h)


NAMES = {
    "time_mlp.0": "time1", "time_mlp.2": "time2", "inp.": "stem.", "downsample": "pool", "upsample": "unpool",
    "down.": "enc.", "middle": "mid", "up.": "dec.", "out.": "head.", "norm.": "gn.", "norm1": "gn1", "norm2": "gn2",
    "conv1": "c1", "conv2": "c2", ".time.": ".film.", "skip": "proj",
}  # fmt: skip


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {}
    for name, value in state.items():
        new = name
        for old, short in NAMES.items():
            if old[-1] != "." or old[0] == "." or new.startswith(old):
                new = new.replace(old, short, 1)
        if value.ndim == 3:
            value = value.transpose(0, 2, 1)
        made[new] = value[:, 0] if "proj.weight" in new else value
    return [(name, mx.array(np.ascontiguousarray(value))) for name, value in made.items()]


def candidate() -> nn.Module:
    model = Model(channels=6, width=16, time=24)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    model.load_weights(convert(state), strict=True)
    mx.eval(model.parameters())
    return model
