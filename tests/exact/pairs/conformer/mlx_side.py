"""The Conformer layer in MLX: channels last, and distances shifted into place by one more column."""

from __future__ import annotations

import math

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.conformer import torch_side

DIM, HEADS, KERNEL = 16, 2, 5


def sinusoids(length: int):
    distance = np.arange(length - 1, -length, -1)
    rate = 10000.0 ** (-np.arange(0, DIM, 2) / DIM)
    table = np.zeros((2 * length - 1, DIM))
    table[:, 0::2] = np.sin(distance[:, None] * rate)
    table[:, 1::2] = np.cos(distance[:, None] * rate)
    return mx.array(table.astype(np.float32))


class Half(nn.Module):
    def __init__(self, hidden: int):
        super().__init__()
        self.ln = nn.LayerNorm(DIM)
        self.up, self.down = nn.Linear(DIM, hidden), nn.Linear(hidden, DIM)

    def __call__(self, x):
        h = nn.silu(self.up(self.ln(x)))
        return 0.5 * self.down(h)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln = nn.LayerNorm(DIM)
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(DIM, DIM) for _ in range(4))
        self.wp = nn.Linear(DIM, DIM, bias=False)
        self.u, self.v = mx.zeros((HEADS, DIM // HEADS)), mx.zeros((HEADS, DIM // HEADS))

    def shifted(self, scores):
        batch, heads, rows, columns = scores.shape
        scores = mx.pad(scores, [(0, 0), (0, 0), (0, 0), (1, 0)])
        scores = scores.reshape(batch, heads, columns + 1, rows)[:, :, 1:]
        return scores.reshape(batch, heads, rows, columns)[..., :rows]

    def __call__(self, x, mask):
        x = self.ln(x)
        batch, length, _ = x.shape
        q = self.wq(x).reshape(batch, length, HEADS, -1)
        k = self.wk(x).reshape(batch, length, HEADS, -1).transpose(0, 2, 3, 1)
        v = self.wv(x).reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)
        p = self.wp(sinusoids(length)).reshape(-1, HEADS, DIM // HEADS).transpose(1, 2, 0)
        content = (q + self.u).transpose(0, 2, 1, 3) @ k
        place = self.shifted((q + self.v).transpose(0, 2, 1, 3) @ p)
        scores = (content + place) / math.sqrt(DIM // HEADS)
        scores = mx.where(mask[:, None, None] == 0, -1e9, scores)
        out = mx.softmax(scores, axis=-1) @ v
        return self.wo(out.transpose(0, 2, 1, 3).reshape(batch, length, DIM))


class ConvModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln = nn.LayerNorm(DIM)
        self.into = nn.Linear(DIM, 2 * DIM)
        self.depthwise = nn.Conv1d(DIM, DIM, KERNEL, padding=KERNEL // 2, groups=DIM)
        self.bn = nn.BatchNorm(DIM)
        self.out = nn.Linear(DIM, DIM)

    def __call__(self, x, mask):
        a, b = mx.split(self.into(self.ln(x)), 2, axis=-1)
        h = a * mx.sigmoid(b)
        h = h * mask[..., None]
        h = self.bn(self.depthwise(h))
        return self.out(nn.silu(h))


class Model(nn.Module):
    def __init__(self, hidden: int):
        super().__init__()
        self.first, self.attn = Half(hidden), Attention()
        self.conv, self.second, self.ln = ConvModule(), Half(hidden), nn.LayerNorm(DIM)

    def __call__(self, x, mask):
        x = x * math.sqrt(DIM)
        x = x + self.first(x)
        x = x + self.attn(x, mask)
        x = x + self.conv(x, mask)
        x = x + self.second(x)
        return self.ln(x)


NAMES = {
    "ff1": "first", "ff2": "second", "attention": "attn", "norm": "ln", "linear1": "up", "linear2": "down", "q": "wq",
    "k": "wk", "v": "wv", "o": "wo", "p": "wp", "bias_u": "u", "bias_v": "v", "pointwise1": "into",
    "pointwise2": "out", "batch_norm": "bn",
}  # fmt: skip


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {}
    for name, value in state.items():
        if value.ndim == 3:
            value = value.transpose(0, 2, 1)
        if "pointwise" in name and value.ndim == 3:
            value = value[:, 0]
        if not name.endswith("num_batches_tracked"):
            made[".".join(NAMES.get(part, part) for part in name.split("."))] = value
    return [(name, mx.array(np.ascontiguousarray(value))) for name, value in made.items()]


def candidate() -> nn.Module:
    model = Model(hidden=32)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    model.load_weights(convert(state), strict=True)
    mx.eval(model.parameters())
    return model
