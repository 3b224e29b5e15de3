"""T3: embeddings with learned positions around the backbone, and its heads.

Upstream: `chatterbox/models/t3/t3.py` (`T3`), `modules/learned_pos_emb.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
from mlx import nn

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.linear import Linear
from mlx_impl.t3.backbone import KVCache, Llama
from mlx_impl.t3.condition_encoder import ConditionEncoder
from spec.config import T3Config


class T3(nn.Module):
    """Embeddings `b t c` -> logits `b v`. Text and speech have their own positions, both from 0.

    `text_head` is stored in every checkpoint and trained with; inference never reads it.
    """

    def __init__(self, config: T3Config):
        super().__init__()
        self.config = config
        self.conditioning = ConditionEncoder(config)
        self.text_embedding = nn.Embedding(config.text_vocab_size, config.width)
        self.speech_embedding = nn.Embedding(config.speech_vocab_size, config.width)
        self.text_positions = nn.Embedding(config.text_positions, config.width)
        self.speech_positions = nn.Embedding(config.speech_positions, config.width)
        self.backbone = Llama(config)
        self.text_head = Linear(config.width, config.text_vocab_size, bias=False)
        self.speech_head = Linear(config.width, config.speech_vocab_size, bias=False)

    def new_cache(self, watched: Sequence[tuple[int, int]] = ()) -> KVCache:
        return KVCache(self.config.blocks, watched)

    def embed_text(self, tokens: mx.array, guided: bool) -> mx.array:
        """Tokens `(1, L)` -> `(2, L, c)`, conditional and unconditional item; without guidance the two are equal.

        The unconditional item's embeddings are zeroed before the positions are added: it keeps those.
        """
        text = self.text_embedding(tokens)
        both = mx.concatenate([text, mx.zeros_like(text) if guided else text])
        return both + self.text_positions.weight[: tokens.shape[1]]

    def embed_speech(self, tokens: mx.array, start: int) -> mx.array:
        """Tokens `(1, T)` -> `(1, T, c)`, the first of them at position `start`."""
        return self.speech_embedding(tokens) + self.speech_positions.weight[start : start + tokens.shape[1]]

    def embed_prefix(
        self,
        text_tokens: mx.array,
        prompt_tokens: mx.array,
        voice: mx.array,
        emotion: mx.array,
        guided: bool,
        observe: Observe = unobserved,
    ) -> mx.array:
        """Everything before the first sampled token -> `(2, 34 + L + 2, c)`: conditions, text, and speech's start.

        The start token is there twice, both times at position 0, as the released weights are used upstream.
        """
        prompt = observe("t3.prompt", self.embed_speech(prompt_tokens, 0))
        conditions = self.conditioning(voice, prompt, emotion, observe)
        text = observe("t3.text", self.embed_text(text_tokens, guided))
        start = self.embed_speech(mx.full((1, 1), self.config.start_speech), 0)
        shared = [mx.repeat(part, 2, axis=0) for part in (conditions, start)]
        prefix = mx.concatenate([shared[0], text, shared[1], shared[1]], axis=1)
        return prefix.astype(text.dtype)  # voice and emotion come in float32

    def __call__(self, x: mx.array, cache: KVCache) -> mx.array:
        """New positions `x (B, T, c)` -> the logits of the last one, `(B, V)`, float32: sampling sums over them."""
        return self.speech_head(self.backbone(x, cache)[:, -1]).astype(mx.float32)
