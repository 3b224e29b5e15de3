"""A Conformer layer: half-step feed-forwards, relative positions of Transformer-XL, and gated convolutions."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.exact.pairs.weights import filled

DIM, HEADS, HIDDEN, KERNEL = 16, 2, 32, 5


def positions(length: int, dtype):
    """`(2 length - 1, DIM)`: of distances from `length - 1` down to `1 - length`."""
    distance = torch.arange(length - 1, -length, -1, dtype=dtype)
    rate = torch.exp(torch.arange(0, DIM, 2, dtype=dtype) * -(math.log(10000.0) / DIM))
    angle = distance[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(DIM)
        self.linear1, self.linear2 = nn.Linear(DIM, HIDDEN), nn.Linear(HIDDEN, DIM)

    def forward(self, x):
        return self.linear2(F.silu(self.linear1(self.norm(x))))


class RelativeAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(DIM)
        self.q, self.k, self.v, self.o = (nn.Linear(DIM, DIM) for _ in range(4))
        self.p = nn.Linear(DIM, DIM, bias=False)
        self.bias_u = nn.Parameter(torch.zeros(HEADS, DIM // HEADS))
        self.bias_v = nn.Parameter(torch.zeros(HEADS, DIM // HEADS))

    def heads(self, x):
        return x.view(*x.shape[:-1], HEADS, DIM // HEADS)

    def forward(self, x, mask):
        x = self.norm(x)
        length = x.shape[1]
        q, k, v = (self.heads(f(x)) for f in (self.q, self.k, self.v))
        p = self.heads(self.p(positions(length, x.dtype)))
        content = torch.einsum("bihd,bjhd->bhij", q + self.bias_u, k)
        place = torch.einsum("bihd,rhd->bhir", q + self.bias_v, p)
        rows = torch.arange(length)
        place = place.gather(-1, (rows - rows[:, None] + length - 1).expand(*place.shape[:3], length))
        scores = (content + place) / math.sqrt(DIM // HEADS)
        scores = scores.masked_fill(mask[:, None, None] == 0, -1e9)
        out = torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), v)
        return self.o(out.flatten(2))


class ConvModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(DIM)
        self.pointwise1 = nn.Conv1d(DIM, 2 * DIM, 1)
        self.depthwise = nn.Conv1d(DIM, DIM, KERNEL, padding=KERNEL // 2, groups=DIM)
        self.batch_norm = nn.BatchNorm1d(DIM)
        self.pointwise2 = nn.Conv1d(DIM, DIM, 1)

    def forward(self, x, mask):
        x = F.glu(self.pointwise1(self.norm(x).transpose(1, 2)), dim=1) * mask[:, None]
        return self.pointwise2(F.silu(self.batch_norm(self.depthwise(x)))).transpose(1, 2)


class Conformer(nn.Module):
    """`x (B, T, DIM)`, `mask (B, T)` of 0 and 1 -> `(B, T, DIM)`."""

    def __init__(self):
        super().__init__()
        self.ff1, self.attention = FeedForward(), RelativeAttention()
        self.conv, self.ff2, self.norm = ConvModule(), FeedForward(), nn.LayerNorm(DIM)

    def forward(self, x, mask):
        x = x * math.sqrt(DIM)
        x = x + 0.5 * self.ff1(x)
        x = x + self.attention(x, mask)
        x = x + self.conv(x, mask)
        x = x + 0.5 * self.ff2(x)
        return self.norm(x)


def reference() -> nn.Module:
    return filled(Conformer())


def inputs() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    sets = []
    for length in (11, 13):
        x = rng.standard_normal((2, length, DIM)).astype(np.float32)
        mask = (np.arange(length) < np.array([[length], [length - 3]])).astype(np.float32)
        sets.append({"x": x, "mask": mask})
    return sets
