"""The velocity estimator of the flow: a causal 1-D U-Net with transformer blocks, one level deep.

Upstream: `chatterbox/models/s3gen/decoder.py` and `matcha/decoder.py`, `matcha/transformer.py`, from Matcha-TTS.
Transposed tensors are made contiguous where upstream does it: PyTorch picks its kernels, and so its rounding, by memory
order too. The axis `g` is the guided batch: B conditional items, then the same B unconditional (`ode.py`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.attention_mask import attention_bias
from spec.config import DecoderConfig, FlowConfig


class SinusoidalPosEmb(nn.Module):
    """`g` -> `g c`. Sines, then cosines, of 1000 t f; the frequencies f fall geometrically from 1 to 1/10000.

    At t = 1 the argument is 1000 rad: its float32 rounding is most of the decoder's noise, so the order of the two
    products matters.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, t: Tensor) -> Tensor:
        half = self.width // 2
        exponent = torch.arange(half, dtype=t.dtype, device=t.device) * -(math.log(10000) / (half - 1))
        angle = (1000 * t)[:, None] * torch.exp(exponent)[None, :]
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class TimestepEmbedding(nn.Module):
    """`g c` -> `g c`. Linear, SiLU, linear."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.linear_1 = nn.Linear(width, hidden)
        self.linear_2 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


class CausalConv1d(nn.Conv1d):
    """`g c t` -> `g c t`. Padded on the left only: a frame never sees its future."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.kernel_size[0] - 1, 0)))


class CausalBlock1D(nn.Module):
    """`g c t` -> `g c t`. Convolution, layer norm over channels, Mish; masked before and after."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.conv = CausalConv1d(width_in, width, 3)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        h = self.norm(self.conv(masked(x, mask)).transpose(1, 2)).transpose(1, 2)  # (2B, c, M)
        return masked(F.mish(h), mask)


class CausalResnetBlock1D(nn.Module):
    """`g c t` -> `g c t`. Two blocks, the time embedding between them; the residual's input is masked, not its sum."""

    def __init__(self, width_in: int, width: int, time_width: int):
        super().__init__()
        self.block1 = CausalBlock1D(width_in, width)
        self.time_proj = nn.Linear(time_width, width)
        self.block2 = CausalBlock1D(width, width)
        self.res_conv = nn.Conv1d(width_in, width, 1)

    def forward(self, x: Tensor, mask: Tensor | None, t: Tensor) -> Tensor:
        h = self.block1(x, mask) + self.time_proj(F.mish(t))[:, :, None]
        return self.block2(h, mask) + self.res_conv(masked(x, mask))


class Attention(nn.Module):
    """`g t c` -> `g t c`. Multi-head self-attention; only the output projection has a bias."""

    def __init__(self, width: int, heads: int, head_width: int):
        super().__init__()
        self.heads, self.head_width = heads, head_width
        self.to_q = nn.Linear(width, heads * head_width, bias=False)
        self.to_k = nn.Linear(width, heads * head_width, bias=False)
        self.to_v = nn.Linear(width, heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, width)

    def split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_width).transpose(1, 2)  # (2B, H, M, D)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(x)), self.split(self.to_v(x))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.to_out(out.transpose(1, 2).reshape(x.shape[0], x.shape[1], -1))


class FeedForward(nn.Module):
    """`g t c` -> `g t c`. Linear, exact GELU, linear."""

    def __init__(self, width: int):
        super().__init__()
        self.proj_in = nn.Linear(width, 4 * width)
        self.proj_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj_out(F.gelu(self.proj_in(x)))


class BasicTransformerBlock(nn.Module):
    """`g t c` -> `g t c`. Pre-norm self-attention and feed-forward with residuals."""

    def __init__(self, width: int, heads: int, head_width: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, heads, head_width)
        self.norm3 = nn.LayerNorm(width)  # upstream's norm2 belongs to cross-attention, which this model has not
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        x = self.attn1(self.norm1(x), bias) + x
        return self.ff(self.norm3(x)) + x


class UNetBlock(nn.Module):
    """`g c t` -> `g c t`. A resnet, then transformer blocks; the outer blocks end with a causal convolution."""

    def __init__(self, config: DecoderConfig, width_in: int, outer: bool):
        super().__init__()
        self.resnet = CausalResnetBlock1D(width_in, config.width, config.time_width)
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(config.width, config.heads, config.head_width)
            for _ in range(config.transformer_blocks)
        )
        self.conv = CausalConv1d(config.width, config.width, 3) if outer else None

    def forward(self, x: Tensor, mask: Tensor | None, bias: Tensor | None, t: Tensor) -> Tensor:
        h = self.resnet(x, mask, t).transpose(1, 2).contiguous()  # (2B, M, c)
        for block in self.transformer_blocks:
            h = block(h, bias)
        return h.transpose(1, 2).contiguous()


class ConditionalDecoder(nn.Module):
    """`g c t` -> `g c t`. Velocity of the mel state at time t. One level: nothing is downsampled."""

    def __init__(self, config: FlowConfig):
        super().__init__()
        width, decoder = config.decoder.width, config.decoder
        self.time_embeddings = SinusoidalPosEmb(config.decoder_in)
        self.time_mlp = TimestepEmbedding(config.decoder_in, decoder.time_width)
        width_in = 2 * decoder.time_width
        self.time_mixer = nn.Linear(width_in, decoder.time_width, bias=False) if config.meanflow else None
        self.down_blocks = nn.ModuleList([UNetBlock(decoder, config.decoder_in, outer=True)])
        self.mid_blocks = nn.ModuleList(UNetBlock(decoder, width, outer=False) for _ in range(decoder.mid_blocks))
        self.up_blocks = nn.ModuleList([UNetBlock(decoder, 2 * width, outer=True)])
        self.final_block = CausalBlock1D(width, width)
        self.final_proj = nn.Conv1d(width, config.mel_bins, 1)

    def forward(self, x: Tensor, mask: Tensor | None, mu: Tensor, t: Tensor, speaker: Tensor, cond: Tensor) -> Tensor:
        """`x`, `mu`, `cond (2B, C, M)`, `mask (2B, M)`, `t (2B,)`, `speaker (2B, C)` -> velocity `(2B, C, M)`.

        Of a mean flow there are B items, and t is `(2,)`: where the step of all begins, and where it ends.
        """
        times = [t] if self.time_mixer is None else t.chunk(2)
        embedded = [self.time_mlp(self.time_embeddings(time)) for time in times]
        t = embedded[0] if self.time_mixer is None else self.time_mixer(torch.cat(embedded, dim=1))
        bias = attention_bias(mask)
        mask = None if mask is None else mask[:, None, :]  # (2B, 1, M)
        x = torch.cat([x, mu, speaker[:, :, None].expand_as(x), cond], dim=1)  # (2B, 4C, M)

        (down,), (up,) = self.down_blocks, self.up_blocks
        skip = down(x, mask, bias, t)
        x = down.conv(masked(skip, mask))
        for block in self.mid_blocks:
            x = block(x, mask, bias, t)
        x = up(torch.cat([x, skip], dim=1), mask, bias, t)
        x = up.conv(masked(x, mask))
        x = self.final_block(x, mask)
        return masked(self.final_proj(masked(x, mask)), mask)


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """`x` with its padded frames set to 0; `x` itself when nothing is padded."""
    return x if mask is None else x * mask
