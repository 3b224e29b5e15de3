"""The selective state-space layer in MLX: the convolution padded by hand, the scan a loop over time."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.state_space import torch_side


class MambaBlock(nn.Module):
    def __init__(self, dim: int, inner: int, state: int, rank: int, kernel: int):
        super().__init__()
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, kernel, groups=inner)
        self.x_proj = nn.Linear(inner, rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = mx.zeros((inner, state))
        self.D = mx.ones(inner)
        self.out_proj = nn.Linear(inner, dim, bias=False)
        self.rank, self.states, self.kernel = rank, state, kernel

    def step(self, x, h, A):
        delta, B, C = mx.split(self.x_proj(x), [self.rank, self.rank + self.states], axis=-1)
        delta = nn.softplus(self.dt_proj(delta))
        new = mx.expand_dims(delta * x, -1) * mx.expand_dims(B, 1)
        if h is not None:
            new = new + h * mx.exp(mx.expand_dims(delta, -1) * A)
        y = (new @ mx.expand_dims(C, -1)).squeeze(2)
        y = y + self.D * x
        return y, new

    def __call__(self, x):
        x, z = mx.split(self.in_proj(x), 2, axis=-1)
        x = mx.pad(x, [(0, 0), (self.kernel - 1, 0), (0, 0)])
        x = nn.silu(self.conv1d(x))
        A = -mx.exp(self.A_log)
        outputs, h = [], None
        for t in range(x.shape[1]):
            y, h = self.step(x[:, t], h, A)
            outputs.append(y)
        y = mx.stack(outputs, axis=1)
        return self.out_proj(nn.silu(z) * y)


class Model(nn.Module):
    def __init__(self, dim: int, **sizes: int):
        super().__init__()
        self.norm = nn.RMSNorm(dim)
        self.mixer = MambaBlock(dim, **sizes)
        self.last = nn.RMSNorm(dim, eps=1e-5)

    def __call__(self, x):
        h = x + self.mixer(self.norm(x))
        return self.last(h)


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {name.replace("norm_f", "last"): value for name, value in state.items()}
    made["mixer.conv1d.weight"] = made["mixer.conv1d.weight"].transpose(0, 2, 1)
    return [(name, mx.array(np.ascontiguousarray(value))) for name, value in made.items()]


def candidate() -> nn.Module:
    model = Model(dim=10, inner=20, state=4, rank=3, kernel=4)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    model.load_weights(convert(state), strict=True)
    mx.eval(model.parameters())
    return model
