"""What T3 is told besides the text: a voice, a prompt of its speech tokens resampled to a fixed number, an emotion.

Upstream: `chatterbox/models/t3/modules/cond_enc.py` (`T3CondEnc`), `perceiver.py` (`Perceiver`, `AttentionBlock2`).
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.attention import attention
from mlx_impl.ops.linear import Linear
from mlx_impl.ops.normalization import LayerNorm
from spec.config import T3Config


class PerceiverAttention(nn.Module):
    """`b t c`, `b s c` -> `b t c`. Queries attend to `context`, with a residual; one norm serves both."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = LayerNorm(width, eps=1e-5)
        self.to_q = Linear(width, width)
        self.to_k = Linear(width, width)
        self.to_v = Linear(width, width)
        self.proj_out = Linear(width, width)

    def split(self, x: mx.array) -> mx.array:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).swapaxes(1, 2)  # (B, H, T, D)

    def __call__(self, x: mx.array, context: mx.array) -> mx.array:
        queries, context = self.norm(x), self.norm(context)
        q, k, v = self.split(self.to_q(queries)), self.split(self.to_k(context)), self.split(self.to_v(context))
        out = attention(q, k, v, scale=q.shape[-1] ** -0.5)
        return x + self.proj_out(out.swapaxes(1, 2).reshape(x.shape))


class Perceiver(nn.Module):
    """`b s c` -> `b q c`. Learned queries attend to any number of positions, then to themselves, by the same layer."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.queries = mx.zeros((1, config.perceiver_queries, config.width))
        self.attn = PerceiverAttention(config.width, config.perceiver_heads)

    def __call__(self, x: mx.array, observe: Observe = unobserved) -> mx.array:
        queries = mx.broadcast_to(self.queries, (len(x), *self.queries.shape[1:]))
        resampled = observe("t3.resampled", self.attn(queries, x))
        return self.attn(resampled, resampled)


class ConditionEncoder(nn.Module):
    """The conditions as `b t c`, t = 1 + 32 + 1: voice, resampled prompt, emotion."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.speaker_proj = Linear(config.speaker_width, config.width)
        self.perceiver = Perceiver(config)
        self.emotion_proj = Linear(1, config.width, bias=False)

    def __call__(self, voice: mx.array, prompt: mx.array, emotion: mx.array, observe: Observe = unobserved) -> mx.array:
        """`voice (B, 256)`, embedded `prompt (B, P, c)`, `emotion (B,)`, 0 ... 1 (upstream's exaggeration)."""
        speaker = self.speaker_proj(voice)[:, None]
        resampled = self.perceiver(prompt, observe)
        return mx.concatenate([speaker, resampled, self.emotion_proj(emotion[:, None, None])], axis=1)
