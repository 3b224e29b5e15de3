"""Speech tokens to mel: token embedding, encoder, speaker projection and the decoder whose ODE makes the mel.

Upstream: `chatterbox/models/s3gen/flow.py` (`CausalMaskedDiffWithXvec.inference`).
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
from mlx import nn

from mlx_impl.attention_mask import padding_mask
from mlx_impl.decoder import ConditionalDecoder
from mlx_impl.encoder import UpsampleConformerEncoder
from mlx_impl.ode import Conditions, solve_euler, solve_meanflow
from mlx_impl.ops.linear import Linear
from mlx_impl.ops.parallel import evaluated_halves
from mlx_impl.ops.summation import normalize
from spec.config import FlowConfig


class Flow(nn.Module):
    """Tokens `(B, T)` -> mel `(B, M, C)`, channels-last."""

    def __init__(self, config: FlowConfig):
        super().__init__()
        self.config = config
        self.input_embedding = nn.Embedding(config.encoder.vocab_size, config.encoder.width)
        self.encoder = UpsampleConformerEncoder(config.encoder)
        self.encoder_proj = Linear(config.encoder.width, config.mel_bins)
        self.spk_embed_affine_layer = Linear(config.speaker_width, config.mel_bins)
        self.decoder = ConditionalDecoder(config)

    def encode(self, tokens: mx.array, lengths: Sequence[int], finalize: bool) -> tuple[mx.array, list[int]]:
        """Tokens `(B, T)`, prompt first, and the valid tokens of each item -> mu `(B, M, C)` and its valid frames.

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
        mu = self.encoder_proj(h)
        return mu, [encoder.stride * (length - withheld) for length in lengths]

    def conditions(self, mu: mx.array, frames: Sequence[int], prompt_mel: mx.array, embedding: mx.array) -> Conditions:
        """mu `(B, M, C)`, its valid frames, prompt mel `(B, P, C)`, x-vector `(B, 192)` -> the decoder's conditions."""
        rest = mu.shape[1] - prompt_mel.shape[1]
        cond = mx.pad(prompt_mel, ((0, 0), (0, rest), (0, 0)))
        speaker = self.spk_embed_affine_layer(normalize(embedding, eps=1e-12))
        return Conditions(mu, speaker, cond, padding_mask(frames, mu.shape[1], mu))

    def velocity(self, *guided: mx.array | None) -> mx.array:
        """The decoder's velocity of a guided batch `(2B, M, C)`."""
        return evaluated_halves(self.decoder, *guided)

    def __call__(
        self,
        tokens: mx.array,
        lengths: Sequence[int],
        prompt_mel: mx.array,
        embedding: mx.array,
        noise: mx.array,
        time_grid: mx.array,
        finalize: bool,
    ) -> mx.array:
        """The whole flow. Mel `(B, M, C)` of everything, the prompt's frames included."""
        mu, frames = self.encode(tokens, lengths, finalize)
        conditions = self.conditions(mu, frames, prompt_mel, embedding)
        if self.config.meanflow:
            return solve_meanflow(self.decoder, noise, time_grid, conditions)
        return solve_euler(self.velocity, noise, time_grid, conditions, self.config.guidance)
