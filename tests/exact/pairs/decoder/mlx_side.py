"""The decoder in MLX: one matrix for queries, keys and values, and the operations of `mx.fast`."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from tests.exact.pairs.decoder import torch_side

HEADS, KV_HEADS, HEAD = 4, 2, 8


class Norm(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.weight = mx.ones(dim)
        self.eps = 1e-5

    def __call__(self, x):
        return mx.fast.rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.wqkv = nn.Linear(dim, (HEADS + 2 * KV_HEADS) * HEAD)
        self.wo = nn.Linear(HEADS * HEAD, dim, bias=False)
        self.scale = HEAD**-0.5

    def __call__(self, x, mask):
        batch, length, _ = x.shape
        q, k, v = mx.split(self.wqkv(x), [HEADS * HEAD, (HEADS + KV_HEADS) * HEAD], axis=-1)
        q = q.reshape(batch, length, HEADS, HEAD).transpose(0, 2, 1, 3)
        k = k.reshape(batch, length, KV_HEADS, HEAD).transpose(0, 2, 1, 3)
        v = v.reshape(batch, length, KV_HEADS, HEAD).transpose(0, 2, 1, 3)
        q = mx.fast.rope(q, HEAD, traditional=False, base=10000.0, scale=1.0, offset=0)
        k = mx.fast.rope(k, HEAD, traditional=False, base=10000.0, scale=1.0, offset=0)
        out = mx.fast.scaled_dot_product_attention(q, k, v, scale=self.scale, mask=mask)
        return self.wo(out.transpose(0, 2, 1, 3).reshape(batch, length, -1))


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def __call__(self, x):
        return self.w2(nn.silu(self.w1(x)) * self.w3(x))


class Layer(nn.Module):
    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.attention_norm = Norm(dim)
        self.attention = Attention(dim)
        self.ffn_norm = Norm(dim)
        self.feed_forward = FeedForward(dim, hidden)

    def __call__(self, x, mask):
        h = x + self.attention(self.attention_norm(x), mask)
        return h + self.feed_forward(self.ffn_norm(h))


class Model(nn.Module):
    def __init__(self, dim: int, hidden: int, vocab: int, layers: int):
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocab, dim)
        self.blocks = [Layer(dim, hidden) for _ in range(layers)]
        self.final_norm = Norm(dim)

    def __call__(self, tokens):
        length = tokens.shape[1]
        h = self.tok_embeddings(tokens)
        h = h * h.shape[-1] ** 0.5
        rows = mx.arange(length)
        mask = mx.where(rows[:, None] >= rows[None], 0.0, -mx.inf).astype(h.dtype)
        for block in self.blocks:
            h = block(h, mask)
        return self.tok_embeddings.as_linear(self.final_norm(h))


NAMES = {
    "embed_tokens": "tok_embeddings", "norm": "final_norm", "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm", "o_proj": "wo", "gate_proj": "w1", "down_proj": "w2", "up_proj": "w3",
    "self_attn": "attention", "mlp": "feed_forward", "layers": "blocks",
}  # fmt: skip


def convert(state: dict[str, np.ndarray]) -> list[tuple[str, mx.array]]:
    made = {".".join(NAMES.get(part, part) for part in name.split(".")): value for name, value in state.items()}
    for name in [name for name in made if ".q_proj." in name]:
        fused = np.concatenate([made.pop(name.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")])
        made[name.replace("q_proj", "wqkv")] = fused
    return [(name, mx.array(value)) for name, value in made.items()]


def candidate() -> nn.Module:
    model = Model(dim=32, hidden=48, vocab=61, layers=2)
    state = {name: value.numpy() for name, value in torch_side.reference().state_dict().items()}
    model.load_weights(convert(state), strict=True)
    mx.eval(model.parameters())
    return model
