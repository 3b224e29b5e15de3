"""A selective state-space layer: a causal convolution, steps of data-dependent length, and a gate."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.exact.pairs.weights import filled

DIM, INNER, STATE, RANK, KERNEL = 10, 20, 4, 3, 4


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.in_proj = nn.Linear(DIM, 2 * INNER, bias=False)
        self.conv1d = nn.Conv1d(INNER, INNER, KERNEL, padding=KERNEL - 1, groups=INNER)
        self.x_proj = nn.Linear(INNER, RANK + 2 * STATE, bias=False)
        self.dt_proj = nn.Linear(RANK, INNER)
        self.A_log = nn.Parameter(torch.zeros(INNER, STATE))
        self.D = nn.Parameter(torch.ones(INNER))
        self.out_proj = nn.Linear(INNER, DIM, bias=False)

    def forward(self, x):
        length = x.shape[1]
        x, gate = self.in_proj(x).chunk(2, dim=-1)
        x = F.silu(self.conv1d(x.transpose(1, 2))[..., :length].transpose(1, 2))
        dt, b, c = self.x_proj(x).split([RANK, STATE, STATE], dim=-1)
        dt = F.softplus(self.dt_proj(dt))
        a = torch.exp(dt[..., None] * -torch.exp(self.A_log))
        bx = (dt * x)[..., None] * b[:, :, None]
        state = torch.zeros_like(bx[:, 0])
        made = []
        for t in range(length):
            state = a[:, t] * state + bx[:, t]
            made.append((state * c[:, t, None]).sum(-1))
        y = torch.stack(made, dim=1) + self.D * x
        return self.out_proj(y * F.silu(gate))


class StateSpace(nn.Module):
    """`x (B, T, DIM)` -> the same."""

    def __init__(self):
        super().__init__()
        self.norm, self.mixer, self.norm_f = nn.RMSNorm(DIM, eps=1e-5), Mixer(), nn.RMSNorm(DIM, eps=1e-5)

    def forward(self, x):
        return self.norm_f(x + self.mixer(self.norm(x)))


def reference() -> nn.Module:
    return filled(StateSpace())


def inputs() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [{"x": rng.standard_normal((2, length, DIM)).astype(np.float32)} for length in (7, 9)]
