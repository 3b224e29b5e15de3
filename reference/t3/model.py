"""T3: embeddings with learned positions around the backbone, and its heads.

Upstream: `chatterbox/models/t3/t3.py` (`T3`), `modules/learned_pos_emb.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reference.ode import Observe, unobserved
from reference.t3.backbone import KVCache, Llama
from reference.t3.condition_encoder import ConditionEncoder
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
        self.text_head = nn.Linear(config.width, config.text_vocab_size, bias=False)
        self.speech_head = nn.Linear(config.width, config.speech_vocab_size, bias=False)

    def new_cache(self, watched: Sequence[tuple[int, int]] = ()) -> KVCache:
        return KVCache(self.config.blocks, watched)

    def embed_text(self, tokens: Tensor, guided: bool) -> Tensor:
        """Tokens `(1, L)` -> `(2, L, c)`, conditional and unconditional item; without guidance the two are equal.

        The unconditional item's embeddings are zeroed before the positions are added: it keeps those.
        """
        text = self.text_embedding(tokens)
        both = torch.cat([text, torch.zeros_like(text) if guided else text])
        return both + self.text_positions.weight[: tokens.shape[1]]

    def embed_speech(self, tokens: Tensor, start: int) -> Tensor:
        """Tokens `(1, T)` -> `(1, T, c)`, the first of them at position `start`."""
        return self.speech_embedding(tokens) + self.speech_positions.weight[start : start + tokens.shape[1]]

    def embed_prefix(
        self,
        text_tokens: Tensor,
        prompt_tokens: Tensor,
        voice: Tensor,
        emotion: Tensor,
        guided: bool,
        observe: Observe = unobserved,
    ) -> Tensor:
        """Everything before the first sampled token -> `(2, 34 + L + 2, c)`: conditions, text, and speech's start.

        The start token is there twice, both times at position 0, as the released weights are used upstream.
        """
        prompt = observe("t3.prompt", self.embed_speech(prompt_tokens, 0))
        conditions = self.conditioning(voice, prompt, emotion, observe)
        text = observe("t3.text", self.embed_text(text_tokens, guided))
        start = self.embed_speech(torch.full_like(text_tokens[:, :1], self.config.start_speech), 0)
        shared = [part.expand(2, -1, -1) for part in (conditions, start)]
        return torch.cat([shared[0], text, shared[1], shared[1]], dim=1)

    def forward(self, x: Tensor, cache: KVCache) -> Tensor:
        """New positions `x (B, T, c)` -> the logits of the last one, `(B, V)`.

        Made for all positions and then cut, as upstream does it: a product of fewer rows rounds in another order.
        """
        return self.speech_head(self.backbone(x, cache))[:, -1]
