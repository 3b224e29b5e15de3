"""What T3 is told besides the text: a voice, a prompt of its speech tokens resampled to a fixed number, an emotion.

Upstream: `chatterbox/models/t3/modules/cond_enc.py` (`T3CondEnc`), `perceiver.py` (`Perceiver`, `AttentionBlock2`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.ode import Observe, unobserved
from spec.config import T3Config


class PerceiverAttention(nn.Module):
    """`b t c`, `b s c` -> `b t c`. Queries attend to `context`, with a residual; one norm serves both."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.proj_out = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).permute(0, 2, 1, 3)  # (B, H, T, D)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        queries, context = self.norm(x), self.norm(context)
        q, k, v = self.split(self.to_q(queries)), self.split(self.to_k(context)), self.split(self.to_v(context))
        out = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(out.permute(0, 2, 1, 3).reshape(x.shape))


class Perceiver(nn.Module):
    """`b s c` -> `b q c`. Learned queries attend to any number of positions, then to themselves, by the same layer."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.queries = nn.Parameter(torch.zeros(1, config.perceiver_queries, config.width))
        self.attn = PerceiverAttention(config.width, config.perceiver_heads)

    def forward(self, x: Tensor, observe: Observe = unobserved) -> Tensor:
        queries = self.queries.expand(len(x), -1, -1)
        resampled = observe("t3.resampled", self.attn(queries, x))
        return self.attn(resampled, resampled)


class ConditionEncoder(nn.Module):
    """The conditions as `b t c`, t = 1 + 32 + 1: voice, resampled prompt, emotion."""

    def __init__(self, config: T3Config):
        super().__init__()
        self.speaker_proj = nn.Linear(config.speaker_width, config.width)
        self.perceiver = Perceiver(config)
        self.emotion_proj = nn.Linear(1, config.width, bias=False)

    def forward(self, voice: Tensor, prompt: Tensor, emotion: Tensor, observe: Observe = unobserved) -> Tensor:
        """`voice (B, 256)`, embedded `prompt (B, P, c)`, `emotion (B,)`, 0 ... 1 (upstream's exaggeration)."""
        speaker = self.speaker_proj(voice)[:, None]
        resampled = self.perceiver(prompt, observe)
        return torch.cat([speaker, resampled, self.emotion_proj(emotion[:, None, None])], dim=1)
