"""Speech tokens at 25 Hz to hidden frames at 50 Hz: a conformer that looks ahead, then doubles the rate.

Upstream: `chatterbox/models/s3gen/transformer/` (`upsample_encoder.py`, `encoder_layer.py`, `attention.py`,
`embedding.py`, `subsampling.py`, `positionwise_feed_forward.py`), from CosyVoice and ESPnet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.attention_mask import attention_bias, padding_mask
from spec.config import EncoderConfig


class LinearEmbedding(nn.Module):
    """`b t c` -> `b t c`. Linear, layer norm, and the transformer's sqrt(width) input scale.

    Upstream: `LinearNoSubsampling` with the scale of `EspnetRelPositionalEncoding`.
    """

    def __init__(self, width: int):
        super().__init__()
        self.scale = math.sqrt(width)
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.linear(x)) * self.scale


class RelativePositions(nn.Module):
    """`1 r c`. Sinusoids of the relative positions T-1 ... -(T-1), sine and cosine interleaved; r = 2T - 1.

    Upstream: `EspnetRelPositionalEncoding`; the table is made in the dtype of the model.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[1]
        position = torch.arange(frames - 1, -frames, -1, dtype=x.dtype, device=x.device)[:, None]
        exponent = torch.arange(0, self.width, 2, dtype=x.dtype, device=x.device)
        angle = position * torch.exp(exponent * -(math.log(10000.0) / self.width))
        return torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(1, 2 * frames - 1, self.width)


class PreLookaheadLayer(nn.Module):
    """`b t c` -> `b t c`. Two convolutions with a residual; the first sees `lookahead` tokens of the future."""

    def __init__(self, width: int, lookahead: int):
        super().__init__()
        self.lookahead = lookahead
        self.conv1 = nn.Conv1d(width, width, lookahead + 1)
        self.conv2 = nn.Conv1d(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = x.transpose(1, 2).contiguous()  # (B, c, T)
        h = F.leaky_relu(self.conv1(F.pad(h, (0, self.lookahead))))
        h = self.conv2(F.pad(h, (2, 0)))
        return h.transpose(1, 2).contiguous() + x


class Upsample1D(nn.Module):
    """`b t c` -> `b t c`, `stride` times as many frames: nearest neighbour, then a causal convolution."""

    def __init__(self, width: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(width, width, 2 * stride + 1)

    def forward(self, x: Tensor) -> Tensor:
        h = x.repeat_interleave(self.stride, dim=1).transpose(1, 2).contiguous()  # (B, c, stride * T)
        return self.conv(F.pad(h, (2 * self.stride, 0))).transpose(1, 2).contiguous()


def relative_shift(scores: Tensor) -> Tensor:
    """`b h t r` -> `b h t t`. Column j of row i becomes the score of relative position i - j (r = 2t - 1)."""
    batch, heads, frames, positions = scores.shape
    padded = F.pad(scores, (1, 0)).reshape(batch, heads, positions + 1, frames)
    return padded[:, :, 1:].reshape(batch, heads, frames, positions)[..., :frames]


class RelPositionMultiHeadedAttention(nn.Module):
    """`b t c` -> `b t c`. Self-attention with relative positions (Transformer-XL, section 3.3)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(heads, self.head_width))
        self.pos_bias_v = nn.Parameter(torch.zeros(heads, self.head_width))

    def split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_width)  # (B, T, H, D)

    def forward(self, x: Tensor, positions: Tensor, bias: Tensor | None) -> Tensor:
        q = self.split(self.linear_q(x))
        k = self.split(self.linear_k(x)).transpose(1, 2)  # (B, H, T, D)
        v = self.split(self.linear_v(x)).transpose(1, 2)
        p = self.split(self.linear_pos(positions)).transpose(1, 2)  # (1, H, 2T - 1, D)
        content = (q + self.pos_bias_u).transpose(1, 2) @ k.transpose(2, 3)  # (B, H, T, T)
        position = (q + self.pos_bias_v).transpose(1, 2) @ p.transpose(2, 3)  # (B, H, T, 2T - 1)
        scores = (content + relative_shift(position)) / math.sqrt(self.head_width)
        if bias is not None:
            scores = scores + bias
        out = (torch.softmax(scores, dim=-1) @ v).transpose(1, 2)  # (B, T, H, D)
        return self.linear_out(out.reshape(x.shape))


class PositionwiseFeedForward(nn.Module):
    """`b t c` -> `b t c`. Linear, SiLU, linear."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.w_1 = nn.Linear(width, hidden)
        self.w_2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(F.silu(self.w_1(x)))


class ConformerEncoderLayer(nn.Module):
    """`b t c` -> `b t c`. Pre-norm attention and feed-forward with residuals; no convolution module is used here."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.norm_mha = nn.LayerNorm(width, eps=1e-12)
        self.self_attn = RelPositionMultiHeadedAttention(width, heads)
        self.norm_ff = nn.LayerNorm(width, eps=1e-12)
        self.feed_forward = PositionwiseFeedForward(width, hidden)

    def forward(self, x: Tensor, positions: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.norm_mha(x), positions, bias)
        return x + self.feed_forward(self.norm_ff(x))


class UpsampleConformerEncoder(nn.Module):
    """`b t c` at 25 Hz -> `b t c` at 50 Hz."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        layer = (config.width, config.heads, config.linear_units)
        self.stride = config.stride
        self.embed = LinearEmbedding(config.width)
        self.positions = RelativePositions(config.width)
        self.pre_lookahead_layer = PreLookaheadLayer(config.width, config.lookahead)
        self.encoders = nn.ModuleList(ConformerEncoderLayer(*layer) for _ in range(config.blocks))
        self.up_layer = Upsample1D(config.width, config.stride)
        self.up_embed = LinearEmbedding(config.width)
        self.up_positions = RelativePositions(config.width)
        self.up_encoders = nn.ModuleList(ConformerEncoderLayer(*layer) for _ in range(config.up_blocks))
        self.after_norm = nn.LayerNorm(config.width, eps=1e-5)

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """`x (B, T, c)`, valid tokens of each item -> `(B, 2T, c)`."""
        bias = attention_bias(padding_mask(lengths, x.shape[1], x))
        x = self.embed(x)
        positions = self.positions(x)
        x = self.pre_lookahead_layer(x)
        for layer in self.encoders:
            x = layer(x, positions, bias)

        x = self.up_layer(x)
        bias = attention_bias(padding_mask([self.stride * length for length in lengths], x.shape[1], x))
        x = self.up_embed(x)
        positions = self.up_positions(x)
        for layer in self.up_encoders:
            x = layer(x, positions, bias)
        return self.after_norm(x)
