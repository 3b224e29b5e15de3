"""T3's backbone: a Llama over embeddings, with rotary positions and a cache of keys and values.

Upstream: transformers' `models/llama/modeling_llama.py` as `chatterbox/models/t3/llama_configs.py` sets it up
(`Llama_520M`: no biases, as many key as query heads).
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
from mlx import nn

from mlx_impl.ops import functional as F
from mlx_impl.ops.attention import attention
from mlx_impl.ops.linear import Linear, matmul
from mlx_impl.ops.normalization import rms_norm
from mlx_impl.ops.precision import working_float
from mlx_impl.ops.rotary import cosines_and_sines, rotated
from spec.config import T3Config, rope_frequencies

WATCHED_POSITIONS = 2  # a prefix ends with speech's start twice, and a step adds one position

_CACHE_BLOCK = 256
"""Positions by which a cache grows: one copy of it for that many tokens."""


class KVCache:
    """Keys and values of every layer, `b h t d`, in the order of time, in buffers that have room for more.

    Of the (layer, head) pairs in `watched`, `attention` holds what the last of the new positions attend to.
    """

    def __init__(self, layers: int, watched: Sequence[tuple[int, int]] = ()):
        self.keys: list[mx.array | None] = [None] * layers
        self.values: list[mx.array | None] = [None] * layers
        self.watched = tuple(watched)
        self.attention: dict[tuple[int, int], mx.array] = {}
        self._lengths = [0] * layers

    @property
    def length(self) -> int:
        """Positions that every layer has seen."""
        return self._lengths[-1]

    def update(self, layer: int, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append new positions to a layer and return all of them."""
        start = self._lengths[layer]
        end = self._lengths[layer] = start + keys.shape[2]
        if self.keys[layer] is None or end > self.keys[layer].shape[2]:
            room = -end % _CACHE_BLOCK
            self.keys[layer] = _grown(self.keys[layer], keys, room)
            self.values[layer] = _grown(self.values[layer], values, room)
        else:
            self.keys[layer][:, :, start:end] = keys
            self.values[layer][:, :, start:end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def watch(self, layer: int, queries: mx.array, keys: mx.array) -> None:
        """Keep the attention of a layer's watched heads, if it has any: of the first item, which is the conditional."""
        for head in [head for watched, head in self.watched if watched == layer]:
            self.attention[layer, head] = attention_weights(queries[0, head, -WATCHED_POSITIONS:], keys[0, head])

    def state(self) -> tuple[mx.array, mx.array]:
        """Keys and values, each `(layers, B, H, T, D)`: what `update` rebuilds a cache from, layer by layer."""
        keys, values = mx.stack(self.keys), mx.stack(self.values)
        return keys[:, :, :, : self.length], values[:, :, :, : self.length]


def _grown(buffer: mx.array | None, new: mx.array, room: int) -> mx.array:
    """A full buffer, the new positions, and room for more, all on axis 2."""
    empty = mx.zeros((*new.shape[:2], room, new.shape[3]), dtype=new.dtype)
    return mx.concatenate([new, empty] if buffer is None else [buffer, new, empty], axis=2)


def attention_weights(queries: mx.array, keys: mx.array) -> mx.array:
    """Queries `(T, D)` of the last T positions, keys `(S, D)` of all -> what each attends to, causally: `(T, S)`."""
    scores = matmul(queries * queries.shape[1] ** -0.5, keys.T)
    count, all_of_them = scores.shape
    future = mx.arange(all_of_them) > mx.arange(all_of_them - count, all_of_them)[:, None]
    scores = mx.where(future, -mx.inf, scores)
    weights = F.exp(scores - mx.max(scores, axis=-1, keepdims=True))
    return weights / mx.sum(weights, axis=-1, keepdims=True)


class RMSNorm(nn.Module):
    """`... c` -> `... c`. Divided by the root of the mean square over the last axis; a weight, no bias."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = mx.ones((width,))

    def __call__(self, x: mx.array) -> mx.array:
        return rms_norm(x, self.weight, self.eps)


def rotary_table(config: T3Config, start: int, count: int, like: mx.array) -> tuple[mx.array, mx.array]:
    """Cosines and sines of `count` positions from `start`, each `(count, D)`, in the dtype of `like`."""
    cos, sin = cosines_and_sines(rope_frequencies(config, working_float()), start, count)
    return cos.astype(like.dtype), sin.astype(like.dtype)


def rotate(x: mx.array, table: tuple[mx.array, mx.array]) -> mx.array:
    """`b h t d` -> `b h t d`. Component i is rotated together with component i + D/2 (not with its neighbour)."""
    return rotated(x, *table)


class Rotary(nn.Module):
    """`b h t d` -> `b h t d`. Queries or keys, turned by their positions."""

    def __call__(self, x: mx.array, table: tuple[mx.array, mx.array]) -> mx.array:
        return rotate(x, table)


class CausalAttention(nn.Module):
    """`b h t d`, `b h s d`, `b h s d` -> `b t c`. What new positions take from all up to them, heads side by side."""

    def __call__(self, q: mx.array, k: mx.array, v: mx.array) -> mx.array:
        positions = mx.arange(q.shape[2])
        future = positions[None, :] > positions[:, None]
        # A single new position sees everything.
        bias = mx.where(future, mx.array(-mx.inf), mx.array(0.0)) if q.shape[2] > 1 else None
        out = attention(q, k, v, scale=q.shape[-1] ** -0.5, bias=bias)
        return out.swapaxes(1, 2).flatten(2)  # (B, T, H * D)


class LlamaAttention(nn.Module):
    """`b t c` -> `b t c`. Causal self-attention with rotary positions, over the cache and what is new."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.heads, self.head_width = config.heads, config.head_width
        self.q_proj = Linear(config.width, config.width, bias=False)
        self.k_proj = Linear(config.width, config.width, bias=False)
        self.v_proj = Linear(config.width, config.width, bias=False)
        self.o_proj = Linear(config.width, config.width, bias=False)
        self.rotary_q, self.rotary_k = Rotary(), Rotary()
        self.attention = CausalAttention()

    def split(self, x: mx.array) -> mx.array:
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_width).swapaxes(1, 2)  # (B, H, T, D)

    def __call__(self, x: mx.array, table: tuple[mx.array, mx.array], cache: KVCache, layer: int) -> mx.array:
        q = self.rotary_q(self.split(self.q_proj(x)), table)
        k = self.rotary_k(self.split(self.k_proj(x)), table)
        k, v = cache.update(layer, k, self.split(self.v_proj(x)))
        cache.watch(layer, q, k)
        return self.o_proj(self.attention(q, k, v))


class LlamaMLP(nn.Module):
    """`b t c` -> `b t c`. A gated linear unit: SiLU of one projection times another, then back to the width."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.gate_proj = Linear(config.width, config.mlp_width, bias=False)
        self.up_proj = Linear(config.width, config.mlp_width, bias=False)
        self.down_proj = Linear(config.mlp_width, config.width, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    """`b t c` -> `b t c`. Pre-norm attention and MLP with residuals."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.input_layernorm = RMSNorm(config.width, config.norm_eps)
        self.self_attn = LlamaAttention(config)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_eps)
        self.mlp = LlamaMLP(config)

    def __call__(self, x: mx.array, table: tuple[mx.array, mx.array], cache: KVCache, layer: int) -> mx.array:
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
        self.layers = [LlamaLayer(config) for _ in range(config.blocks)]
        self.norm = RMSNorm(config.width, config.norm_eps)

    def __call__(self, x: mx.array, cache: KVCache) -> mx.array:
        """New positions `x (B, T, c)`, many into an empty cache or one into any. Raises `ValueError` otherwise."""
        if x.shape[1] > 1 and cache.length:
            raise ValueError(
                f"got {x.shape[1]} positions for a cache of {cache.length}, expected one; feed them singly"
            )
        table = rotary_table(self.config, cache.length, x.shape[1], x)
        for index, layer in enumerate(self.layers):
            x = layer(x, table, cache, index)
        return self.norm(x)
