"""Turbo's T3: embeddings around the backbone, and its heads.

Upstream: `chatterbox/models/t3/t3.py` (`T3`, `inference_turbo`) and `modules/cond_enc.py` with the settings of
`tts_turbo.py`: no perceiver, no emotion, and no positions but the backbone's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference.ode import Observe, unobserved
from reference.t3.backbone import KVCache
from reference.turbo.backbone import GPT2
from spec.turbo import TurboT3Config


class ConditionEncoder(nn.Module):
    """The conditions as `b t c`, t = 1 + P: the voice, and the prompt as it is."""

    def __init__(self, config: TurboT3Config):
        super().__init__()
        self.speaker_proj = nn.Linear(config.speaker_width, config.width)

    def forward(self, voice: Tensor, prompt: Tensor) -> Tensor:
        """`voice (B, 256)`, embedded `prompt (B, P, c)`."""
        return torch.cat([self.speaker_proj(voice)[:, None], prompt], dim=1)


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
        self.text_head = nn.Linear(config.width, config.text_vocab_size, bias=False)
        self.speech_head = nn.Linear(config.width, config.speech_vocab_size)

    def new_cache(self) -> KVCache:
        return KVCache(self.config.blocks)

    def embed_prefix(
        self, text_tokens: Tensor, prompt_tokens: Tensor, voice: Tensor, observe: Observe = unobserved
    ) -> Tensor:
        """Everything before the first sampled token -> `(1, 1 + P + L + 1, c)`: conditions, text, speech's start."""
        prompt = observe("t3.prompt", self.speech_embedding(prompt_tokens))
        conditions = self.conditioning(voice, prompt)
        text = observe("t3.text", self.text_embedding(text_tokens))
        start = self.speech_embedding(torch.full_like(text_tokens[:, :1], self.config.start_speech))
        return torch.cat([conditions, text, start], dim=1)

    def forward(self, x: Tensor, cache: KVCache) -> Tensor:
        """New positions `x (B, T, c)` -> the logits of the last one, `(B, V)`."""
        return self.speech_head(self.backbone(x, cache)[:, -1:])[:, -1]
