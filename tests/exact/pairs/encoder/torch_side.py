"""An encoder of text: learned positions, post-norm blocks, a padding mask and a pooled first token."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.exact.pairs.weights import filled

DIM, HEADS, HIDDEN, VOCAB, POSITIONS = 32, 4, 64, 1000, 24


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(DIM, DIM)
        self.key = nn.Linear(DIM, DIM)
        self.value = nn.Linear(DIM, DIM)
        self.dense = nn.Linear(DIM, DIM)

    def heads(self, x):
        return x.view(*x.shape[:2], HEADS, DIM // HEADS).permute(0, 2, 1, 3)

    def forward(self, x, bias):
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = torch.matmul(q, k.transpose(-1, -2)) / (DIM // HEADS) ** 0.5
        context = torch.matmul(F.softmax(scores + bias, dim=-1), v)
        return self.dense(context.permute(0, 2, 1, 3).flatten(2))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = SelfAttention()
        self.attention_norm = nn.LayerNorm(DIM, eps=1e-12)
        self.intermediate = nn.Linear(DIM, HIDDEN)
        self.output = nn.Linear(HIDDEN, DIM)
        self.output_norm = nn.LayerNorm(DIM, eps=1e-12)

    def forward(self, x, bias):
        x = self.attention_norm(x + self.attention(x, bias))
        return self.output_norm(x + self.output(F.gelu(self.intermediate(x))))


class Encoder(nn.Module):
    """`ids (B, T)`, `segments (B, T)`, `mask (B, T)` of 0 and 1 -> states `(B, T, DIM)`, `(B, DIM)` of the first."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCAB, DIM)
        self.positions = nn.Embedding(POSITIONS, DIM)
        self.segments = nn.Embedding(2, DIM)
        self.norm = nn.LayerNorm(DIM, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(2))
        self.pooler = nn.Linear(DIM, DIM)

    def forward(self, ids, segments, mask):
        places = torch.arange(ids.shape[1])
        x = self.norm(self.words(ids) + self.positions(places) + self.segments(segments))
        bias = (1.0 - mask[:, None, None, :]) * -10000.0
        for layer in self.layers:
            x = layer(x, bias)
        return x, torch.tanh(self.pooler(x[:, 0]))


def reference() -> nn.Module:
    return filled(Encoder())


def inputs() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    sets = []
    for length in (11, 14):
        mask = (np.arange(length) < np.array([[length], [length - 4], [length - 2]])).astype(np.float32)
        ids = rng.integers(0, VOCAB, (3, length))
        ids[0, :2] = 517, 30
        sets.append({"ids": ids, "segments": rng.integers(0, 2, (3, length)), "mask": mask})
    return sets
