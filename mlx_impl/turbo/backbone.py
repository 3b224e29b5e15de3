"""Turbo's backbone: a GPT-2 over embeddings, with learned positions and a cache of keys and values.

Upstream: transformers' `models/gpt2/modeling_gpt2.py` as `chatterbox/models/t3/llama_configs.py` sets it up
(`GPT2_medium`).
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ops import functional as F
from mlx_impl.ops.linear import Linear
from mlx_impl.ops.normalization import LayerNorm
from mlx_impl.t3.backbone import CausalAttention, KVCache
from spec.turbo import TurboT3Config


class NewGELU(nn.Module):
    """`... c` -> `... c`. GELU by a tanh, which is not the exact one: transformers calls it `gelu_new`."""

    def __call__(self, x: mx.array) -> mx.array:
        return F.gelu_new(x)


class GPT2Attention(nn.Module):
    """`b t c` -> `b t c`. Causal self-attention over the cache and what is new; one projection makes q, k and v."""

    def __init__(self, config: TurboT3Config):
        super().__init__()
        self.heads, self.head_width = config.heads, config.head_width
        self.c_attn = Linear(config.width, 3 * config.width)
        self.c_proj = Linear(config.width, config.width)
        self.attention = CausalAttention()

    def split(self, x: mx.array) -> mx.array:
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_width).swapaxes(1, 2)  # (B, H, T, D)

    def __call__(self, x: mx.array, cache: KVCache, layer: int) -> mx.array:
        q, k, v = map(self.split, self.c_attn(x).split(3, axis=-1))
        k, v = cache.update(layer, k, v)
        return self.c_proj(self.attention(q, k, v))


class GPT2MLP(nn.Module):
    """`b t c` -> `b t c`. Linear, GELU, linear."""

    def __init__(self, config: TurboT3Config):
        super().__init__()
        self.c_fc = Linear(config.width, config.mlp_width)
        self.act = NewGELU()
        self.c_proj = Linear(config.mlp_width, config.width)

    def __call__(self, x: mx.array) -> mx.array:
        return self.c_proj(self.act(self.c_fc(x)))


class GPT2Block(nn.Module):
    """`b t c` -> `b t c`. Pre-norm attention and MLP with residuals."""

    def __init__(self, config: TurboT3Config):
        super().__init__()
        self.ln_1 = LayerNorm(config.width, eps=config.norm_eps)
        self.attn = GPT2Attention(config)
        self.ln_2 = LayerNorm(config.width, eps=config.norm_eps)
        self.mlp = GPT2MLP(config)

    def __call__(self, x: mx.array, cache: KVCache, layer: int) -> mx.array:
        x = self.attn(self.ln_1(x), cache, layer) + x
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    """`b t c` -> `b t c`. Positions, the blocks and the last norm.

    `wte` is stored in every checkpoint and never read: what comes in is embedded already.
    """

    def __init__(self, config: TurboT3Config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.unread_vocab_size, config.width)
        self.wpe = nn.Embedding(config.positions, config.width)
        self.h = [GPT2Block(config) for _ in range(config.blocks)]
        self.ln_f = LayerNorm(config.width, eps=config.norm_eps)

    def __call__(self, x: mx.array, cache: KVCache) -> mx.array:
        """New positions `x (B, T, c)`, many into an empty cache or one into any. Raises `ValueError` otherwise."""
        start, end = cache.length, cache.length + x.shape[1]
        if x.shape[1] > 1 and start:
            raise ValueError(f"got {x.shape[1]} positions for a cache of {start}, expected one; feed them singly")
        if end > self.config.positions:
            raise ValueError(f"got position {end}, expected at most {self.config.positions}; ask for fewer tokens")
        x = x + self.wpe.weight[start:end]
        for index, block in enumerate(self.h):
            x = block(x, cache, index)
        return self.ln_f(x)
