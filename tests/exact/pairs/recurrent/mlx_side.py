"""The detector of speech in MLX: channels last, both recurrent cells written out step by step."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.recurrent import torch_side


class LSTM(nn.Module):
    def __init__(self, taken: int, hidden: int):
        super().__init__()
        self.wx = mx.zeros((4 * hidden, taken))
        self.wh = mx.zeros((4 * hidden, hidden))
        self.bias = mx.zeros(4 * hidden)

    def __call__(self, x, h, c):
        gates = mx.addmm(self.bias, x, self.wx.T)
        steps = []
        for t in range(x.shape[1]):
            now = gates[:, t] + h @ self.wh.T
            i, f, g, o = mx.split(now, 4, axis=-1)
            c = mx.sigmoid(f) * c + mx.sigmoid(i) * mx.tanh(g)
            h = mx.sigmoid(o) * mx.tanh(c)
            steps.append(h)
        return mx.stack(steps, axis=1), h, c


class GRU(nn.Module):
    def __init__(self, taken: int, hidden: int):
        super().__init__()
        self.wx = mx.zeros((3 * hidden, taken))
        self.wh = mx.zeros((3 * hidden, hidden))
        self.bias = mx.zeros(3 * hidden)
        self.bias_n = mx.zeros(hidden)
        self.hidden = hidden

    def __call__(self, x):
        given = x @ self.wx.T + self.bias
        h = mx.zeros((x.shape[0], self.hidden))
        steps = []
        for t in range(x.shape[1]):
            xr, xz, xn = mx.split(given[:, t], 3, axis=-1)
            hr, hz, hn = mx.split(h @ self.wh.T, 3, axis=-1)
            r = mx.sigmoid(xr + hr)
            z = mx.sigmoid(xz + hz)
            n = mx.tanh(xn + r * (hn + self.bias_n))
            h = (1 - z) * n + z * h
            steps.append(h)
        return mx.stack(steps, axis=1)


class Model(nn.Module):
    def __init__(self, bands: int, width: int, hidden: int):
        super().__init__()
        self.front = nn.Conv1d(bands, width, 4, stride=2, padding=1)
        self.ln = nn.LayerNorm(width)
        self.lstm = LSTM(width, hidden)
        self.gru = GRU(hidden, hidden)
        self.score = nn.Linear(2 * hidden, 1)
        self.head = nn.Linear(2 * hidden, 1)

    def __call__(self, x, h, c):
        x = nn.elu(self.front(x))
        x = self.ln(x)
        ahead, h, c = self.lstm(x, h, c)
        back = self.gru(ahead[:, ::-1])
        both = mx.concatenate([ahead, back[:, ::-1]], axis=-1)
        weights = mx.softmax(self.score(mx.tanh(both)), axis=1)
        context = mx.sum(weights * both, axis=1, keepdims=True)
        return mx.sigmoid(self.head(both + context)).squeeze(-1), h, c


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {"front.weight": state["conv.weight"].transpose(0, 2, 1), "front.bias": state["conv.bias"]}
    for new, old in (("ln", "norm"), ("score", "attend"), ("head", "out")):
        made |= {f"{new}.{part}": state[f"{old}.{part}"] for part in ("weight", "bias")}
    for cell in ("lstm", "gru"):
        made[f"{cell}.wx"], made[f"{cell}.wh"] = state[f"{cell}.weight_ih_l0"], state[f"{cell}.weight_hh_l0"]
    made["lstm.bias"] = state["lstm.bias_ih_l0"] + state["lstm.bias_hh_l0"]
    ours, theirs = state["gru.bias_ih_l0"], state["gru.bias_hh_l0"]
    last = len(ours) * 2 // 3
    made["gru.bias"] = np.concatenate([ours[:last] + theirs[:last], ours[last:]])
    made["gru.bias_n"] = theirs[last:]
    return [(name, mx.array(np.ascontiguousarray(value))) for name, value in made.items()]


def candidate() -> nn.Module:
    model = Model(bands=8, width=12, hidden=10)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    model.load_weights(convert(state), strict=True)
    mx.eval(model.parameters())
    return model
