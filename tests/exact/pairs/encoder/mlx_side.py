"""The text encoder in MLX: queries, keys and values in one matrix, attention written out."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.encoder import torch_side

HEADS = 4


class Attention(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)

    def __call__(self, x, bias):
        batch, length, dim = x.shape
        qkv = self.in_proj(x).reshape(batch, length, 3, HEADS, dim // HEADS).transpose(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = q @ k.swapaxes(2, 3)
        scores = scores * (dim // HEADS) ** -0.5
        weights = mx.softmax(scores + bias, axis=-1)
        out = (weights @ v).transpose(0, 2, 1, 3)
        return self.out_proj(out.reshape(batch, length, dim))


class Block(nn.Module):
    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.attn = Attention(dim)
        self.ln1 = nn.LayerNorm(dim, eps=1e-12)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.ln2 = nn.LayerNorm(dim, eps=1e-12)

    def __call__(self, x, bias):
        h = x + self.attn(x, bias)
        h = self.ln1(h)
        y = self.fc2(nn.gelu(self.fc1(h)))
        return self.ln2(h + y)


class Model(nn.Module):
    def __init__(self, dim: int, hidden: int, vocab: int, positions: int, layers: int):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab, dim)
        self.position_embedding = mx.zeros((positions, dim))
        self.type_embedding = nn.Embedding(2, dim)
        self.ln = nn.LayerNorm(dim, eps=1e-12)
        self.blocks = [Block(dim, hidden) for _ in range(layers)]
        self.pool = nn.Linear(dim, dim)

    def __call__(self, ids, segments, mask):
        words = self.token_embedding(ids)
        x = words + self.position_embedding[: ids.shape[1]]
        x = self.ln(x + self.type_embedding(segments))
        bias = (1.0 - mask)[:, None, None] * -10000.0
        for block in self.blocks:
            x = block(x, bias)
        first = x[:, 0]
        return x, mx.tanh(self.pool(first))


NAMES = {
    "words": "token_embedding", "segments": "type_embedding", "norm": "ln", "layers": "blocks", "attention": "attn",
    "attention_norm": "ln1", "intermediate": "fc1", "output": "fc2", "output_norm": "ln2", "pooler": "pool",
    "dense": "out_proj",
}  # fmt: skip


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {".".join(NAMES.get(part, part) for part in name.split(".")): value for name, value in state.items()}
    made["position_embedding"] = made.pop("positions.weight")
    for name in [name for name in made if ".query." in name]:
        parts = [made.pop(name.replace("query", part)) for part in ("query", "key", "value")]
        made[name.replace("query", "in_proj")] = np.concatenate(parts)
    return [(name, mx.array(value)) for name, value in made.items()]


def candidate() -> nn.Module:
    model = Model(dim=32, hidden=64, vocab=1000, positions=24, layers=2)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    weights = convert(state)
    model.load_weights(weights, strict=True)
    mx.eval(model.parameters())
    return model
