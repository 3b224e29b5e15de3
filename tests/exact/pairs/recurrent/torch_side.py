"""A detector of speech: strided convolution, an LSTM, a GRU that runs backwards, and a probability for each frame."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.exact.pairs.weights import filled

BANDS, WIDTH, HIDDEN = 8, 12, 10


class Detector(nn.Module):
    """`x (B, BANDS, T)`, `h (B, HIDDEN)`, `c (B, HIDDEN)` -> probabilities `(B, T / 2)`, the next `h` and `c`."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(BANDS, WIDTH, 4, stride=2, padding=1)
        self.norm = nn.LayerNorm(WIDTH)
        self.lstm = nn.LSTM(WIDTH, HIDDEN, batch_first=True)
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.attend = nn.Linear(2 * HIDDEN, 1)
        self.out = nn.Linear(2 * HIDDEN, 1)

    def forward(self, x, h, c):
        x = F.elu(self.conv(x)).transpose(1, 2)
        x = self.norm(x)
        forward, (h, c) = self.lstm(x, (h[None], c[None]))
        backward, _ = self.gru(forward.flip(1))
        both = torch.cat([forward, backward.flip(1)], dim=-1)
        weights = self.attend(torch.tanh(both)).softmax(dim=1)
        context = (weights * both).sum(1, keepdim=True)
        return torch.sigmoid(self.out(both + context)).squeeze(-1), h[0], c[0]


def reference() -> nn.Module:
    return filled(Detector())


def inputs() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    shapes = {"h": (2, HIDDEN), "c": (2, HIDDEN)}
    return [
        {name: rng.standard_normal(shape).astype(np.float32) for name, shape in {"x": (2, BANDS, n), **shapes}.items()}
        for n in (14, 18)
    ]
