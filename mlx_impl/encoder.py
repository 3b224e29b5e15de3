"""Speech tokens at 25 Hz to hidden frames at 50 Hz: a conformer that looks ahead, then doubles the rate.

Upstream: `chatterbox/models/s3gen/transformer/` (`upsample_encoder.py`, `encoder_layer.py`, `attention.py`,
`embedding.py`, `subsampling.py`, `positionwise_feed_forward.py`), from CosyVoice and ESPnet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mlx.core as mx
from mlx import nn

from mlx_impl.attention_mask import attention_bias, padding_mask
from mlx_impl.ops import functional as F
from mlx_impl.ops.attention import HeadLinear, attention, skewed
from mlx_impl.ops.convolution import Conv1d
from mlx_impl.ops.linear import Linear, matmul
from mlx_impl.ops.normalization import LayerNorm
from spec.config import EncoderConfig


class LinearEmbedding(nn.Module):
    """`b t c` -> `b t c`. Linear, layer norm, and the transformer's sqrt(width) input scale.

    Upstream: `LinearNoSubsampling` with the scale of `EspnetRelPositionalEncoding`.
    """

    def __init__(self, width: int):
        super().__init__()
        self.scale = math.sqrt(width)
        self.linear = Linear(width, width)
        self.norm = LayerNorm(width, eps=1e-5)

    def __call__(self, x: mx.array) -> mx.array:
        return self.norm(self.linear(x)) * self.scale


class RelativePositions(nn.Module):
    """`1 r c`. Sinusoids of the relative positions T-1 ... -(T-1), sine and cosine interleaved; r = 2T - 1.

    Upstream: `EspnetRelPositionalEncoding`; the table is made in float32 and rounded to the dtype of the model.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def __call__(self, x: mx.array) -> mx.array:
        frames = x.shape[1]
        position = mx.arange(frames - 1, -frames, -1, dtype=mx.float32)[:, None]
        exponent = mx.arange(0, self.width, 2, dtype=mx.float32)
        angle = position * F.exp(exponent * -(math.log(10000.0) / self.width))
        table = mx.stack([mx.sin(angle), mx.cos(angle)], axis=-1)
        return table.reshape(1, 2 * frames - 1, self.width).astype(x.dtype)  # (1, 2T - 1, c)


class PreLookaheadLayer(nn.Module):
    """`b t c` -> `b t c`. Two convolutions with a residual; the first sees `lookahead` tokens of the future."""

    def __init__(self, width: int, lookahead: int):
        super().__init__()
        self.lookahead = lookahead
        self.conv1 = Conv1d(width, width, lookahead + 1)
        self.conv2 = Conv1d(width, width, 3)

    def __call__(self, x: mx.array) -> mx.array:
        h = F.leaky_relu(self.conv1(mx.pad(x, ((0, 0), (0, self.lookahead), (0, 0)))))
        h = self.conv2(mx.pad(h, ((0, 0), (2, 0), (0, 0))))
        return h + x


class Upsample1D(nn.Module):
    """`b t c` -> `b t c`, `stride` times as many frames: nearest neighbour, then a causal convolution."""

    def __init__(self, width: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv = Conv1d(width, width, 2 * stride + 1)

    def __call__(self, x: mx.array) -> mx.array:
        h = mx.repeat(x, self.stride, axis=1)  # (B, stride * T, c)
        return self.conv(mx.pad(h, ((0, 0), (2 * self.stride, 0), (0, 0))))


def relative_shift(scores: mx.array) -> mx.array:
    """`b h t r` -> `b h t t`. Column j of row i becomes the score of relative position i - j (r = 2t - 1)."""
    return skewed(scores)


class RelPositionMultiHeadedAttention(nn.Module):
    """`b t c` -> `b t c`. Self-attention with relative positions (Transformer-XL, section 3.3)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.linear_q = Linear(width, width)
        self.linear_k = HeadLinear(width, width)
        self.linear_v = HeadLinear(width, width)
        self.linear_out = Linear(width, width)
        self.linear_pos = Linear(width, width, bias=False)
        self.pos_bias_u = mx.zeros((heads, self.head_width))
        self.pos_bias_v = mx.zeros((heads, self.head_width))

    def split(self, x: mx.array) -> mx.array:
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_width)  # (B, T, H, D)

    def __call__(self, x: mx.array, positions: mx.array, bias: mx.array | None) -> mx.array:
        q = self.split(self.linear_q(x))
        k = self.split(self.linear_k(x)).swapaxes(1, 2)  # (B, H, T, D)
        v = self.split(self.linear_v(x)).swapaxes(1, 2)
        p = self.split(self.linear_pos(positions)).swapaxes(1, 2)  # (1, H, 2T - 1, D)
        scale = 1 / math.sqrt(self.head_width)
        position = matmul((q + self.pos_bias_v).swapaxes(1, 2), p.swapaxes(2, 3))  # (B, H, T, 2T - 1)
        position = relative_shift(position) * scale  # (B, H, T, T)
        bias = position if bias is None else position + bias
        out = attention((q + self.pos_bias_u).swapaxes(1, 2), k, v, scale=scale, bias=bias).swapaxes(1, 2)
        return self.linear_out(out.reshape(x.shape))


class PositionwiseFeedForward(nn.Module):
    """`b t c` -> `b t c`. Linear, SiLU, linear."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.w_1 = Linear(width, hidden)
        self.w_2 = Linear(hidden, width)

    def __call__(self, x: mx.array) -> mx.array:
        return self.w_2(F.silu(self.w_1(x)))


class ConformerEncoderLayer(nn.Module):
    """`b t c` -> `b t c`. Pre-norm attention and feed-forward with residuals; no convolution module is used here."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.norm_mha = LayerNorm(width, eps=1e-12)
        self.self_attn = RelPositionMultiHeadedAttention(width, heads)
        self.norm_ff = LayerNorm(width, eps=1e-12)
        self.feed_forward = PositionwiseFeedForward(width, hidden)

    def __call__(self, x: mx.array, positions: mx.array, bias: mx.array | None) -> mx.array:
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
        self.encoders = [ConformerEncoderLayer(*layer) for _ in range(config.blocks)]
        self.up_layer = Upsample1D(config.width, config.stride)
        self.up_embed = LinearEmbedding(config.width)
        self.up_positions = RelativePositions(config.width)
        self.up_encoders = [ConformerEncoderLayer(*layer) for _ in range(config.up_blocks)]
        self.after_norm = LayerNorm(config.width, eps=1e-5)

    def __call__(self, x: mx.array, lengths: Sequence[int]) -> mx.array:
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
