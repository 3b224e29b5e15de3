"""The velocity estimator of the flow: a causal 1-D U-Net with transformer blocks, one level deep.

Upstream: `chatterbox/models/s3gen/decoder.py` and `matcha/decoder.py`, `matcha/transformer.py`, from Matcha-TTS.
Its axis `g` is the guided batch: B conditional items, then the same B unconditional (`ode.py`).
"""

from __future__ import annotations

import math

import mlx.core as mx
from mlx import nn

from mlx_impl.attention_mask import attention_bias
from mlx_impl.ops import functional as F
from mlx_impl.ops.attention import HeadLinear, attention
from mlx_impl.ops.convolution import Conv1d
from mlx_impl.ops.linear import Linear
from mlx_impl.ops.normalization import LayerNorm
from spec.config import DecoderConfig, FlowConfig


class SinusoidalPosEmb(nn.Module):
    """`g` -> `g c`. Sines, then cosines, of 1000 t f; the frequencies f fall geometrically from 1 to 1/10000.

    At t = 1 the argument is 1000 rad: its float32 rounding is most of the decoder's noise, so the order of the two
    products matters.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def __call__(self, t: mx.array) -> mx.array:
        half = self.width // 2
        frequencies = F.exp(mx.arange(half, dtype=t.dtype) * -(math.log(10000) / (half - 1)))
        angle = (1000 * t)[:, None] * frequencies[None, :]
        return mx.concatenate([mx.sin(angle), mx.cos(angle)], axis=-1)


class TimestepEmbedding(nn.Module):
    """`g c` -> `g c`. Linear, SiLU, linear."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.linear_1 = Linear(width, hidden)
        self.linear_2 = Linear(hidden, hidden)

    def __call__(self, x: mx.array) -> mx.array:
        return self.linear_2(F.silu(self.linear_1(x)))


class CausalConv1d(Conv1d):
    """`g t c` -> `g t c`. Padded on the left only: a frame never sees its future."""

    def __call__(self, x: mx.array) -> mx.array:
        return super().__call__(mx.pad(x, ((0, 0), (self.weight.shape[1] - 1, 0), (0, 0))))


class CausalBlock1D(nn.Module):
    """`g t c` -> `g t c`. Convolution, layer norm over channels, Mish; masked before and after."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.conv = CausalConv1d(width_in, width, 3)
        self.norm = LayerNorm(width)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        h = self.norm(self.conv(masked(x, mask)))
        return masked(F.mish(h), mask)


class CausalResnetBlock1D(nn.Module):
    """`g t c` -> `g t c`. Two blocks, the time embedding between them; the residual's input is masked, not its sum."""

    def __init__(self, width_in: int, width: int, time_width: int):
        super().__init__()
        self.block1 = CausalBlock1D(width_in, width)
        self.time_proj = Linear(time_width, width)
        self.block2 = CausalBlock1D(width, width)
        self.res_conv = Conv1d(width_in, width, 1)

    def __call__(self, x: mx.array, mask: mx.array | None, t: mx.array) -> mx.array:
        h = self.block1(x, mask) + self.time_proj(F.mish(t))[:, None, :]
        return self.block2(h, mask) + self.res_conv(masked(x, mask))


class Attention(nn.Module):
    """`g t c` -> `g t c`. Multi-head self-attention; only the output projection has a bias."""

    def __init__(self, width: int, heads: int, head_width: int):
        super().__init__()
        self.heads, self.head_width = heads, head_width
        self.to_q = HeadLinear(width, heads * head_width, bias=False)
        self.to_k = HeadLinear(width, heads * head_width, bias=False)
        self.to_v = HeadLinear(width, heads * head_width, bias=False)
        self.to_out = Linear(heads * head_width, width)

    def split(self, x: mx.array) -> mx.array:
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_width).swapaxes(1, 2)  # (2B, H, M, D)

    def __call__(self, x: mx.array, bias: mx.array | None) -> mx.array:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(x)), self.split(self.to_v(x))
        out = attention(q, k, v, scale=1 / math.sqrt(self.head_width), bias=bias)
        return self.to_out(out.swapaxes(1, 2).reshape(x.shape[0], x.shape[1], -1))


class FeedForward(nn.Module):
    """`g t c` -> `g t c`. Linear, exact GELU, linear."""

    def __init__(self, width: int):
        super().__init__()
        self.proj_in = Linear(width, 4 * width)
        self.proj_out = Linear(4 * width, width)

    def __call__(self, x: mx.array) -> mx.array:
        return self.proj_out(F.gelu(self.proj_in(x)))


class BasicTransformerBlock(nn.Module):
    """`g t c` -> `g t c`. Pre-norm self-attention and feed-forward with residuals."""

    def __init__(self, width: int, heads: int, head_width: int):
        super().__init__()
        self.norm1 = LayerNorm(width)
        self.attn1 = Attention(width, heads, head_width)
        self.norm3 = LayerNorm(width)  # upstream's norm2 belongs to cross-attention, which this model has not
        self.ff = FeedForward(width)

    def __call__(self, x: mx.array, bias: mx.array | None) -> mx.array:
        x = self.attn1(self.norm1(x), bias) + x
        return self.ff(self.norm3(x)) + x


class UNetBlock(nn.Module):
    """`g t c` -> `g t c`. A resnet, then transformer blocks; the outer blocks end with a causal convolution."""

    def __init__(self, config: DecoderConfig, width_in: int, outer: bool):
        super().__init__()
        self.resnet = CausalResnetBlock1D(width_in, config.width, config.time_width)
        self.transformer_blocks = [
            BasicTransformerBlock(config.width, config.heads, config.head_width)
            for _ in range(config.transformer_blocks)
        ]
        self.conv = CausalConv1d(config.width, config.width, 3) if outer else None

    def __call__(self, x: mx.array, mask: mx.array | None, bias: mx.array | None, t: mx.array) -> mx.array:
        h = self.resnet(x, mask, t)
        for block in self.transformer_blocks:
            h = block(h, bias)
        return h


class ConditionalDecoder(nn.Module):
    """`g t c` -> `g t c`. Velocity of the mel state at time t. One level: nothing is downsampled."""

    def __init__(self, config: FlowConfig):
        super().__init__()
        width, decoder = config.decoder.width, config.decoder
        self.time_embeddings = SinusoidalPosEmb(config.decoder_in)
        self.time_mlp = TimestepEmbedding(config.decoder_in, decoder.time_width)
        width_in = 2 * decoder.time_width
        self.time_mixer = Linear(width_in, decoder.time_width, bias=False) if config.meanflow else None
        self.down_blocks = [UNetBlock(decoder, config.decoder_in, outer=True)]
        self.mid_blocks = [UNetBlock(decoder, width, outer=False) for _ in range(decoder.mid_blocks)]
        self.up_blocks = [UNetBlock(decoder, 2 * width, outer=True)]
        self.final_block = CausalBlock1D(width, width)
        self.final_proj = Conv1d(width, config.mel_bins, 1)

    def __call__(
        self, x: mx.array, mask: mx.array | None, mu: mx.array, t: mx.array, speaker: mx.array, cond: mx.array
    ) -> mx.array:
        """`x`, `mu`, `cond (2B, M, C)`, `mask (2B, M)`, `t (2B,)`, `speaker (2B, C)` -> velocity `(2B, M, C)`.

        Of a mean flow there are B items, and t is `(2,)`: where the step of all begins, and where it ends.
        State and time are of the ODE's dtype and the velocity is; the rest may be in half precision.
        """
        state_dtype, dtype = x.dtype, self.final_proj.weight.dtype
        times = [t] if self.time_mixer is None else t.split(2)
        embedded = [self.time_mlp(self.time_embeddings(time).astype(dtype)) for time in times]
        t = embedded[0] if self.time_mixer is None else self.time_mixer(mx.concatenate(embedded, axis=1))
        bias = attention_bias(mask)
        mask = None if mask is None else mask[:, :, None]  # (2B, M, 1)
        parts = [x, mu, mx.broadcast_to(speaker[:, None, :], x.shape), cond]
        x = mx.concatenate([part.astype(dtype) for part in parts], axis=2)  # (2B, M, 4C)

        (down,), (up,) = self.down_blocks, self.up_blocks
        skip = down(x, mask, bias, t)
        x = down.conv(masked(skip, mask))
        for block in self.mid_blocks:
            x = block(x, mask, bias, t)
        x = up(mx.concatenate([x, skip], axis=2), mask, bias, t)
        x = up.conv(masked(x, mask))
        x = self.final_block(x, mask)
        return masked(self.final_proj(masked(x, mask)), mask).astype(state_dtype)


def masked(x: mx.array, mask: mx.array | None) -> mx.array:
    """`x` with its padded frames set to 0; `x` itself when nothing is padded."""
    return x if mask is None else x * mask
