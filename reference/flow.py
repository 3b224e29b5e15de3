"""Speech tokens to mel: token embedding, encoder, speaker projection and the decoder whose ODE makes the mel.

Upstream: `chatterbox/models/s3gen/flow.py` (`CausalMaskedDiffWithXvec.inference`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.attention_mask import padding_mask
from reference.decoder import ConditionalDecoder
from reference.encoder import UpsampleConformerEncoder
from reference.ode import Conditions, solve_euler, solve_meanflow
from spec.config import FlowConfig


class Flow(nn.Module):
    """Tokens `(B, T)` -> mel `(B, C, M)`, channels-first."""

    def __init__(self, config: FlowConfig):
        super().__init__()
        self.config = config
        self.input_embedding = nn.Embedding(config.encoder.vocab_size, config.encoder.width)
        self.encoder = UpsampleConformerEncoder(config.encoder)
        self.encoder_proj = nn.Linear(config.encoder.width, config.mel_bins)
        self.spk_embed_affine_layer = nn.Linear(config.speaker_width, config.mel_bins)
        self.decoder = ConditionalDecoder(config)

    def encode(self, tokens: Tensor, lengths: Sequence[int], finalize: bool) -> tuple[Tensor, list[int]]:
        """Tokens `(B, T)`, prompt first, and the valid tokens of each item -> mu `(B, C, M)` and its valid frames.

        `finalize=False` withholds the frames of the last `lookahead` tokens of every item, which a longer stream would
        still change. (Upstream 0.1.7 cuts the frames but not their mask there, and cannot run.)
        """
        encoder = self.config.encoder
        mask = padding_mask(lengths, tokens.shape[1], self.encoder_proj.weight)
        x = self.input_embedding(tokens)
        if mask is not None:
            x = x * mask[:, :, None]
        h = self.encoder(x, lengths)
        withheld = 0 if finalize else encoder.lookahead
        h = h[:, : h.shape[1] - withheld * encoder.stride]
        mu = self.encoder_proj(h).transpose(1, 2)  # (B, C, M)
        return mu, [encoder.stride * (length - withheld) for length in lengths]

    def conditions(self, mu: Tensor, frames: Sequence[int], prompt_mel: Tensor, embedding: Tensor) -> Conditions:
        """mu `(B, C, M)`, its valid frames, prompt mel `(B, P, C)`, x-vector `(B, 192)` -> the decoder's conditions."""
        cond = torch.zeros_like(mu)
        cond[:, :, : prompt_mel.shape[1]] = prompt_mel.transpose(1, 2)
        speaker = self.spk_embed_affine_layer(F.normalize(embedding, dim=1))
        return Conditions(mu, speaker, cond, padding_mask(frames, mu.shape[2], mu))

    def velocity(self, *guided: Tensor | None) -> Tensor:
        """The decoder's velocity of a guided batch `(2B, C, M)`."""
        return self.decoder(*guided)

    def forward(
        self,
        tokens: Tensor,
        lengths: Sequence[int],
        prompt_mel: Tensor,
        embedding: Tensor,
        noise: Tensor,
        time_grid: Tensor,
        finalize: bool,
    ) -> Tensor:
        """The whole flow. Mel `(B, C, M)` of everything, the prompt's frames included."""
        mu, frames = self.encode(tokens, lengths, finalize)
        conditions = self.conditions(mu, frames, prompt_mel, embedding)
        if self.config.meanflow:
            return solve_meanflow(self.decoder, noise, time_grid, conditions)
        return solve_euler(self.velocity, noise, time_grid, conditions, self.config.guidance)
