"""A block with a mixture of experts: a shared expert, and two of six that a router chooses for each token."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.exact.pairs.weights import filled

DIM, HIDDEN, EXPERTS, CHOSEN = 16, 24, 6, 2


class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(DIM, HIDDEN, bias=False)
        self.up_proj = nn.Linear(DIM, HIDDEN, bias=False)
        self.down_proj = nn.Linear(HIDDEN, DIM, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Mixture(nn.Module):
    """`x (B, T, DIM)` -> the same."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(DIM, EXPERTS, bias=False)
        self.experts = nn.ModuleList(Expert() for _ in range(EXPERTS))
        self.shared_expert = Expert()
        self.shared_expert_gate = nn.Linear(DIM, 1, bias=False)

    def forward(self, x):
        probabilities = F.softmax(self.gate(x), dim=-1)
        weights, chosen = torch.topk(probabilities, CHOSEN, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            share = (weights * (chosen == number)).sum(-1, keepdim=True)
            out = out + share * expert(x)
        return out * 2.5 + torch.sigmoid(self.shared_expert_gate(x)) * self.shared_expert(x)


class Block(nn.Module):
    """`x (B, T, DIM)` -> the same, and the balance of the experts `(EXPERTS,)`."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(DIM, eps=1e-6, bias=False)
        self.mixture = Mixture()
        self.final = nn.RMSNorm(DIM, eps=1e-6)

    def forward(self, x):
        h = self.norm(x)
        balance = F.softmax(self.mixture.gate(h), dim=-1).mean((0, 1))
        return self.final(x + self.mixture(h)), balance


def reference() -> nn.Module:
    return filled(Block())


def inputs() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [{"x": rng.standard_normal((2, length, DIM)).astype(np.float32)} for length in (15, 22)]
