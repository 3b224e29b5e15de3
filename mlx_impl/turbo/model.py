"""Turbo's T3: embeddings around the backbone, and its heads.

Upstream: `chatterbox/models/t3/t3.py` (`T3`, `inference_turbo`) and `modules/cond_enc.py` with the settings of
`tts_turbo.py`: no perceiver, no emotion, and no positions but the backbone's.
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.linear import Linear
from mlx_impl.t3.backbone import KVCache
from mlx_impl.turbo.backbone import GPT2
from spec.turbo import TurboT3Config


class ConditionEncoder(nn.Module):
    """The conditions as `b t c`, t = 1 + P: the voice, and the prompt as it is."""

    def __init__(self, config: TurboT3Config):
        super().__init__()
        self.speaker_proj = Linear(config.speaker_width, config.width)

    def __call__(self, voice: mx.array, prompt: mx.array) -> mx.array:
        """`voice (B, 256)`, embedded `prompt (B, P, c)`."""
        return mx.concatenate([self.speaker_proj(voice)[:, None], prompt], axis=1)


class TurboT3(nn.Module):
    """Embeddings `b t c` -> logits `b v`.

    `text_head` is stored in every checkpoint and trained with; inference never reads it.
    """

    def __init__(self, config: TurboT3Config):
        super().__init__()
        self.config = config
        self.conditioning = ConditionEncoder(config)
        self.text_embedding = nn.Embedding(config.text_vocab_size, config.width)
        self.speech_embedding = nn.Embedding(config.speech_vocab_size, config.width)
        self.backbone = GPT2(config)
        self.text_head = Linear(config.width, config.text_vocab_size, bias=False)
        self.speech_head = Linear(config.width, config.speech_vocab_size)

    def new_cache(self) -> KVCache:
        return KVCache(self.config.blocks)

    def embed_prefix(
        self, text_tokens: mx.array, prompt_tokens: mx.array, voice: mx.array, observe: Observe = unobserved
    ) -> mx.array:
        """Everything before the first sampled token -> `(1, 1 + P + L + 1, c)`: conditions, text, speech's start."""
        prompt = observe("t3.prompt", self.speech_embedding(prompt_tokens))
        conditions = self.conditioning(voice, prompt)
        text = observe("t3.text", self.text_embedding(text_tokens))
        start = self.speech_embedding(mx.full((1, 1), self.config.start_speech))
        prefix = mx.concatenate([conditions, text, start], axis=1)
        return prefix.astype(text.dtype)  # the voice comes in float32

    def __call__(self, x: mx.array, cache: KVCache) -> mx.array:
        """New positions `x (B, T, c)` -> the logits of the last one, `(B, V)`, float32: sampling sums over them."""
        return self.speech_head(self.backbone(x, cache)[:, -1]).astype(mx.float32)
