"""The mixture of experts in MLX: the experts' matrices stacked, and gathered for each token."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.experts import torch_side

CHOSEN = 2


class SwitchGLU(nn.Module):
    def __init__(self, dim: int, hidden: int, experts: int):
        super().__init__()
        self.gate = mx.zeros((experts, hidden, dim))
        self.up = mx.zeros((experts, hidden, dim))
        self.down = mx.zeros((experts, dim, hidden))

    def __call__(self, x, indices):
        x = mx.expand_dims(x, (-2, -3))
        gate = mx.gather_mm(x, self.gate.swapaxes(1, 2), rhs_indices=indices)
        up = mx.gather_mm(x, self.up.swapaxes(1, 2), rhs_indices=indices)
        h = nn.silu(gate) * up
        return mx.gather_mm(h, self.down.swapaxes(1, 2), rhs_indices=indices).squeeze(-2)


class MLP(nn.Module):
    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.gate = nn.Linear(dim, hidden, bias=False)
        self.up = nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def __call__(self, x):
        return self.down(nn.silu(self.gate(x)) * self.up(x))


class SparseBlock(nn.Module):
    def __init__(self, dim: int, hidden: int, experts: int):
        super().__init__()
        self.router = nn.Linear(dim, experts, bias=False)
        self.switch = SwitchGLU(dim, hidden, experts)
        self.shared = MLP(dim, hidden)
        self.shared_gate = nn.Linear(dim, 1, bias=False)
        self.factor = 2.5

    def __call__(self, x):
        gates = mx.softmax(self.router(x), axis=-1)
        indices = mx.argpartition(-gates, kth=CHOSEN - 1, axis=-1)[..., :CHOSEN]
        scores = mx.take_along_axis(gates, indices, axis=-1)
        scores = scores / mx.sum(scores, axis=-1, keepdims=True)
        y = self.switch(x, indices)
        y = mx.sum(y * scores[..., None], axis=-2)
        shared = mx.sigmoid(self.shared_gate(x)) * self.shared(x)
        return self.factor * y + shared, gates


class Model(nn.Module):
    def __init__(self, dim: int, hidden: int, experts: int):
        super().__init__()
        self.ln = nn.LayerNorm(dim, eps=1e-6, bias=False)
        self.moe = SparseBlock(dim, hidden, experts)
        self.last = nn.RMSNorm(dim, eps=1e-6)

    def __call__(self, x):
        y, gates = self.moe(self.ln(x))
        y = self.last(x + y)
        return y, mx.mean(gates, axis=(0, 1))


PARTS = {"gate_proj": "gate", "up_proj": "up", "down_proj": "down"}


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {"ln.weight": state["norm.weight"], "last.weight": state["final.weight"]}
    made["moe.router.weight"] = state["mixture.gate.weight"]
    made["moe.shared_gate.weight"] = state["mixture.shared_expert_gate.weight"]
    count = len(made["moe.router.weight"])
    for old, new in PARTS.items():
        rows = [state[f"mixture.experts.{number}.{old}.weight"] for number in range(count)]
        made[f"moe.switch.{new}"] = np.stack(rows)
        made[f"moe.shared.{new}.weight"] = state[f"mixture.shared_expert.{old}.weight"]
    return [(name, mx.array(value)) for name, value in made.items()]


def candidate() -> nn.Module:
    model = Model(dim=16, hidden=24, experts=6)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    model.load_weights(convert(state), strict=True)
    mx.eval(model.parameters())
    return model
