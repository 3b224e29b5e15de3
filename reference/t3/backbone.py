"""T3's backbone: a Llama over embeddings, with rotary positions and a cache of keys and values.

Upstream: transformers' `models/llama/modeling_llama.py` as `chatterbox/models/t3/llama_configs.py` sets it up
(`Llama_520M`: no biases, as many key as query heads).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spec.config import T3Config, rope_frequencies

WATCHED_POSITIONS = 2  # a prefix ends with speech's start twice, and a step adds one position


class KVCache:
    """Keys and values of every layer, `b h t d`, in the order of time.

    Of the (layer, head) pairs in `watched`, `attention` holds what the last of the new positions attend to.
    """

    def __init__(self, layers: int, watched: Sequence[tuple[int, int]] = ()):
        self.keys: list[Tensor | None] = [None] * layers
        self.values: list[Tensor | None] = [None] * layers
        self.watched = tuple(watched)
        self.attention: dict[tuple[int, int], Tensor] = {}

    @property
    def length(self) -> int:
        """Positions that every layer has seen."""
        return 0 if self.keys[-1] is None else self.keys[-1].shape[2]

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append new positions to a layer and return all of them."""
        if self.keys[layer] is not None:
            keys = torch.cat([self.keys[layer], keys], dim=2)
            values = torch.cat([self.values[layer], values], dim=2)
        self.keys[layer], self.values[layer] = keys.contiguous(), values.contiguous()
        return self.keys[layer], self.values[layer]

    def watch(self, layer: int, queries: Tensor, keys: Tensor) -> None:
        """Keep the attention of a layer's watched heads, if it has any: of the first item, which is the conditional."""
        for head in [head for watched, head in self.watched if watched == layer]:
            self.attention[layer, head] = attention_weights(queries[0, head, -WATCHED_POSITIONS:], keys[0, head])

    def state(self) -> tuple[Tensor, Tensor]:
        """Keys and values, each `(layers, B, H, T, D)`: what `update` rebuilds a cache from, layer by layer."""
        return torch.stack(self.keys), torch.stack(self.values)


def attention_weights(queries: Tensor, keys: Tensor) -> Tensor:
    """Queries `(T, D)` of the last T positions, keys `(S, D)` of all -> what each attends to, causally: `(T, S)`."""
    scores = queries @ keys.T * queries.shape[1] ** -0.5
    future = torch.ones_like(scores, dtype=torch.bool).triu(1 + len(keys) - len(queries))
    return scores.masked_fill(future, -math.inf).softmax(dim=-1)


class RMSNorm(nn.Module):
    """`... c` -> `... c`. Divided by the root of the mean square over the last axis; a weight, no bias.

    The mean is taken in float32 at least.
    """

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        wide = x if x.dtype == torch.float64 else x.float()
        factor = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * (wide * factor).to(x.dtype)


def rotary_table(config: T3Config, start: int, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of `count` positions from `start`, each `(count, D)`, in the dtype of `like`."""
    double = like.dtype == torch.float64
    frequencies = torch.from_numpy(rope_frequencies(config, np.float64 if double else np.float32)).to(like.device)
    positions = torch.arange(start, start + count, dtype=frequencies.dtype, device=like.device)
    angles = positions[:, None] * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """`b h t d` -> `b h t d`. Component i is rotated together with component i + D/2 (not with its neighbour)."""
    cos, sin = table
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class Rotary(nn.Module):
    """`b h t d` -> `b h t d`. Queries or keys, turned by their positions."""

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
        return rotate(x, table)


class CausalAttention(nn.Module):
    """`b h t d`, `b h s d`, `b h s d` -> `b t c`. What new positions take from all up to them, heads side by side."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        causal = q.shape[2] > 1  # a single new position sees everything
        out = F.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5, is_causal=causal)
        return out.transpose(1, 2).flatten(2)  # (B, T, H * D)


class LlamaAttention(nn.Module):
    """`b t c` -> `b t c`. Causal self-attention with rotary positions, over the cache and what is new."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.heads, self.head_width = config.heads, config.head_width
        self.q_proj = nn.Linear(config.width, config.width, bias=False)
        self.k_proj = nn.Linear(config.width, config.width, bias=False)
        self.v_proj = nn.Linear(config.width, config.width, bias=False)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)
        self.rotary_q, self.rotary_k = Rotary(), Rotary()
        self.attention = CausalAttention()

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, self.head_width).transpose(1, 2)  # (B, H, T, D)

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], cache: KVCache, layer: int) -> Tensor:
        q = self.rotary_q(self.split(self.q_proj(x)), table)
        k = self.rotary_k(self.split(self.k_proj(x)), table)
        k, v = cache.update(layer, k, self.split(self.v_proj(x)))
        cache.watch(layer, q, k)
        return self.o_proj(self.attention(q, k, v))


class LlamaMLP(nn.Module):
    """`b t c` -> `b t c`. A gated linear unit: SiLU of one projection times another, then back to the width."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.mlp_width, bias=False)
        self.up_proj = nn.Linear(config.width, config.mlp_width, bias=False)
        self.down_proj = nn.Linear(config.mlp_width, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    """`b t c` -> `b t c`. Pre-norm attention and MLP with residuals."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.input_layernorm = RMSNorm(config.width, config.norm_eps)
        self.self_attn = LlamaAttention(config)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_eps)
        self.mlp = LlamaMLP(config)

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], cache: KVCache, layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), table, cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """`b t c` -> `b t c`. The layers and the last norm.

    `embed_tokens` is stored in every checkpoint and never read: what comes in is embedded already.
    """

    def __init__(self, config: T3Config):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.unused_vocab_size, config.width)
        self.layers = nn.ModuleList([LlamaLayer(config) for _ in range(config.blocks)])
        self.norm = RMSNorm(config.width, config.norm_eps)

    def forward(self, x: Tensor, cache: KVCache) -> Tensor:
        """New positions `x (B, T, c)`, many into an empty cache or one into any. Raises `ValueError` otherwise."""
        if x.shape[1] > 1 and cache.length:
            raise ValueError(
                f"got {x.shape[1]} positions for a cache of {cache.length}, expected one; feed them singly"
            )
        table = rotary_table(self.config, cache.length, x.shape[1], x)
        for index, layer in enumerate(self.layers):
            x = layer(x, table, cache, index)
        return self.norm(x)
