"""16 kHz voice to speech tokens: a transformer with rotary positions and FSMN memories, then scalar quantisation.

Upstream: `chatterbox/models/s3tokenizer/s3tokenizer.py` over the package s3tokenizer's `model_v2.py`. Every item of a
batch is of the same length: no masks. A recording of more than 30 s is cut into windows, as `quantize` of
`model_v2.py` does it.
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.conditioning.mel import LogMelSpectrogram
from mlx_impl.ops import functional as F
from mlx_impl.ops.attention import attention
from mlx_impl.ops.convolution import Conv1d, DepthwiseConv1d
from mlx_impl.ops.linear import Linear
from mlx_impl.ops.normalization import LayerNorm
from spec.config import TokenizerConfig


def rotary_positions(frames: int, width: int, dtype: mx.Dtype) -> tuple[mx.array, mx.array]:
    """Cosine and sine of each position's angles, `(1, frames, 1, width)`; the second half repeats the first."""
    exponent = mx.arange(0, width, 2, dtype=mx.float32) / width
    angles = mx.arange(frames, dtype=mx.float32)[:, None] * (1 / mx.power(10000.0, exponent))
    angles = mx.concatenate([angles, angles], axis=-1)[None, :, None]
    return mx.cos(angles).astype(dtype), mx.sin(angles).astype(dtype)


def rotate(x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    """Rotary embedding of `x (B, T, H, D)`: pairs are the two halves of D."""
    left, right = mx.split(x, 2, axis=-1)
    return x * cos + mx.concatenate([-right, left], axis=-1) * sin


class Memory(nn.Module):
    """`b t c` -> `b t c`. FSMN: a depthwise convolution over time, centred, with a residual."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.left = (kernel - 1) // 2
        self.right = kernel - 1 - self.left
        self.conv = DepthwiseConv1d(width, width, kernel, groups=width, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        return self.conv(mx.pad(x, ((0, 0), (self.left, self.right), (0, 0)))) + x


class FSMNMultiHeadAttention(nn.Module):
    """`b t c` -> `b t c`. Self-attention with rotary positions, plus a memory of the values."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        width = config.width
        self.heads, self.head_width = config.heads, config.head_width
        self.query = Linear(width, width)
        self.key = Linear(width, width, bias=False)
        self.value = Linear(width, width)
        self.out = Linear(width, width)
        self.memory = Memory(width, config.memory_kernel)

    def split(self, x: mx.array) -> mx.array:
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_width)  # (B, T, H, D)

    def __call__(self, x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
        q = rotate(self.split(self.query(x)), cos, sin).swapaxes(1, 2)  # (B, H, T, D)
        k = rotate(self.split(self.key(x)), cos, sin).swapaxes(1, 2)
        v = self.value(x)
        memory = self.memory(v)
        attended = attention(q, k, self.split(v).swapaxes(1, 2), scale=self.head_width**-0.5)
        return self.out(attended.swapaxes(1, 2).reshape(x.shape)) + memory


class FeedForward(nn.Module):
    """`b t c` -> `b t c`. Linear, exact GELU, linear."""

    def __init__(self, width: int):
        super().__init__()
        self.proj_in = Linear(width, 4 * width)
        self.proj_out = Linear(4 * width, width)

    def __call__(self, x: mx.array) -> mx.array:
        return self.proj_out(F.gelu(self.proj_in(x)))


class ResidualAttentionBlock(nn.Module):
    """`b t c` -> `b t c`. Pre-norm attention and feed-forward with residuals."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.attn_ln = LayerNorm(config.width, eps=1e-5)
        self.attn = FSMNMultiHeadAttention(config)
        self.mlp_ln = LayerNorm(config.width, eps=1e-5)
        self.mlp = FeedForward(config.width)

    def __call__(self, x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
        x = x + self.attn(self.attn_ln(x), cos, sin)
        return x + self.mlp(self.mlp_ln(x))


class AudioEncoder(nn.Module):
    """`b t c` at 100 Hz -> `b t c` at 25 Hz. Two convolutions of stride 2, then the transformer."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.head_width = config.head_width
        self.conv1 = Conv1d(config.mel_bins, config.width, 3, stride=2, padding=1)
        self.conv2 = Conv1d(config.width, config.width, 3, stride=2, padding=1)
        self.blocks = [ResidualAttentionBlock(config) for _ in range(config.blocks)]

    def __call__(self, mel: mx.array) -> mx.array:
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel))))
        cos, sin = rotary_positions(x.shape[1], self.head_width, x.dtype)
        for block in self.blocks:
            x = block(x, cos, sin)
        return x


class Bound(nn.Module):
    """`b t d` -> `b t d`. Squashes each digit to within ±0.999, which rounds to -1, 0 or 1.

    A value's distance from ±0.5 is the margin of its rounding: within it, another rounding of the same sum gives the
    same token.
    """

    def __call__(self, x: mx.array) -> mx.array:
        return mx.tanh(x) * 0.9990000128746033  # the exported model's float32 constant


class FSQ(nn.Module):
    """`b t c` -> `b t`, int32. Finite scalar quantisation: a token is a number whose digits have three levels each."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.project_down = Linear(config.width, config.digits)
        self.bound = Bound()

    def __call__(self, x: mx.array) -> mx.array:
        digits = mx.round(self.bound(self.project_down(x))).astype(mx.int32) + 1  # (B, T, digits), lowest first
        return (digits * 3 ** mx.arange(digits.shape[-1])).sum(-1)


class S3Tokenizer(nn.Module):
    """Wave `b n` at 16 kHz -> tokens `b t` at 25 Hz."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.window, self.overlap = config.window, config.overlap
        self.log_mel = LogMelSpectrogram(config)
        self.encoder = AudioEncoder(config)
        self.quantizer = FSQ(config)

    def __call__(self, wave: mx.array, longest: int | None = None) -> mx.array:
        """At most `longest` tokens, if given: the mel is cut, so that no token sees beyond."""
        mel = self.log_mel(wave)
        if longest is not None:
            mel = mel[:, : 4 * longest]
        if mel.shape[1] <= self.window:
            return self.quantizer(self.encoder(mel))
        starts = range(0, mel.shape[1], self.window - self.overlap)
        windows = [self.quantizer(self.encoder(mel[:, start : start + self.window])) for start in starts]
        return mx.concatenate(inner(windows, self.overlap // 8), axis=1)


def inner(windows: list[mx.array], shared: int) -> list[mx.array]:
    """The tokens `b t` of each window without `shared` at either end where another window has them, too.

    The last window may have no more than those: then the last tokens of the recording are missing, upstream as here.
    """
    last = len(windows) - 1
    return [
        tokens[:, (shared if number else 0) : tokens.shape[1] - (0 if number == last else shared)]
        for number, tokens in enumerate(windows)
    ]
