"""16 kHz voice to speech tokens: a transformer with rotary positions and FSMN memories, then scalar quantisation.

Upstream: `chatterbox/models/s3tokenizer/s3tokenizer.py` over the package s3tokenizer's `model_v2.py`. Every item of a
batch is of the same length: no masks. A recording of more than 30 s is cut into windows, as `quantize` of
`model_v2.py` does it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.conditioning.mel import LogMelSpectrogram
from spec.config import TokenizerConfig


def rotary_positions(frames: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each position's angles, `(1, frames, 1, width)`; the second half repeats the first."""
    frequencies = 1.0 / (10000.0 ** (torch.arange(0, width, 2).to(dtype) / width))
    angles = torch.outer(torch.arange(frames).to(dtype), frequencies)
    turns = torch.view_as_real(torch.polar(torch.ones_like(angles), angles))
    cos, sin = (torch.cat([part, part], dim=-1)[None, :, None] for part in turns.unbind(-1))
    return cos, sin


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of `x (B, T, H, D)`: pairs are the two halves of D."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], dim=-1) * sin


class Memory(nn.Module):
    """`b t c` -> `b t c`. FSMN: a depthwise convolution over time, centred, with a residual."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.left = (kernel - 1) // 2
        self.right = kernel - 1 - self.left
        self.conv = nn.Conv1d(width, width, kernel, groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(F.pad(x.transpose(1, 2), (self.left, self.right)))
        return h.transpose(1, 2) + x


class FSMNMultiHeadAttention(nn.Module):
    """`b t c` -> `b t c`. Self-attention with rotary positions, plus a memory of the values."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        width = config.width
        self.heads, self.head_width = config.heads, config.head_width
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.memory = Memory(width, config.memory_kernel)

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, self.head_width)  # (B, T, H, D)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        scale = self.head_width**-0.25  # of queries and keys alike
        q = rotate(self.split(self.query(x)), cos, sin).permute(0, 2, 1, 3) * scale  # (B, H, T, D)
        k = rotate(self.split(self.key(x)), cos, sin).permute(0, 2, 3, 1) * scale  # (B, H, D, T)
        v = self.value(x)
        memory = self.memory(v)
        weights = torch.softmax(q @ k, dim=-1)
        attended = (weights @ self.split(v).permute(0, 2, 1, 3)).permute(0, 2, 1, 3).flatten(2)
        return self.out(attended) + memory


class FeedForward(nn.Module):
    """`b t c` -> `b t c`. Linear, exact GELU, linear."""

    def __init__(self, width: int):
        super().__init__()
        self.proj_in = nn.Linear(width, 4 * width)
        self.proj_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj_out(F.gelu(self.proj_in(x)))


class ResidualAttentionBlock(nn.Module):
    """`b t c` -> `b t c`. Pre-norm attention and feed-forward with residuals."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.attn_ln = nn.LayerNorm(config.width, eps=1e-5)
        self.attn = FSMNMultiHeadAttention(config)
        self.mlp_ln = nn.LayerNorm(config.width, eps=1e-5)
        self.mlp = FeedForward(config.width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.attn_ln(x), cos, sin)
        return x + self.mlp(self.mlp_ln(x))


class AudioEncoder(nn.Module):
    """`b c t` at 100 Hz -> `b t c` at 25 Hz. Two convolutions of stride 2, then the transformer."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.head_width = config.head_width
        self.conv1 = nn.Conv1d(config.mel_bins, config.width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv1d(config.width, config.width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(ResidualAttentionBlock(config) for _ in range(config.blocks))

    def forward(self, mel: Tensor) -> Tensor:
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).permute(0, 2, 1)  # (B, T, c)
        cos, sin = (part.to(x.device) for part in rotary_positions(x.shape[1], self.head_width, x.dtype))
        for block in self.blocks:
            x = block(x, cos, sin)
        return x


class Bound(nn.Module):
    """`b t d` -> `b t d`. Squashes each digit to within ±0.999, which rounds to -1, 0 or 1.

    A value's distance from ±0.5 is the margin of its rounding: within it, another rounding of the same sum gives the
    same token.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x) * 0.9990000128746033  # the exported model's float32 constant


class FSQ(nn.Module):
    """`b t c` -> `b t`, int64. Finite scalar quantisation: a token is a number whose digits have three levels each."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.project_down = nn.Linear(config.width, config.digits)
        self.bound = Bound()

    def forward(self, x: Tensor) -> Tensor:
        digits = self.bound(self.project_down(x)).round().long() + 1  # (B, T, digits), lowest first
        return (digits * 3 ** torch.arange(digits.shape[-1], device=x.device)).sum(-1)


class S3Tokenizer(nn.Module):
    """Wave `b n` at 16 kHz -> tokens `b t` at 25 Hz."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.window, self.overlap = config.window, config.overlap
        self.log_mel = LogMelSpectrogram(config)
        self.encoder = AudioEncoder(config)
        self.quantizer = FSQ(config)

    def forward(self, wave: Tensor, longest: int | None = None) -> Tensor:
        """At most `longest` tokens, if given: the mel is cut, so that no token sees beyond."""
        mel = self.log_mel(wave)
        if longest is not None:
            mel = mel[..., : 4 * longest]
        if mel.shape[-1] <= self.window:
            return self.quantizer(self.encoder(mel))
        starts = range(0, mel.shape[-1], self.window - self.overlap)
        windows = [self.quantizer(self.encoder(mel[..., start : start + self.window])) for start in starts]
        return torch.cat(inner(windows, self.overlap // 8), dim=1)


def inner(windows: list[Tensor], shared: int) -> list[Tensor]:
    """The tokens `b t` of each window without `shared` at either end where another window has them, too.

    The last window may have no more than those: then the last tokens of the recording are missing, upstream as here.
    """
    last = len(windows) - 1
    return [
        tokens[:, (shared if number else 0) : tokens.shape[1] - (0 if number == last else shared)]
        for number, tokens in enumerate(windows)
    ]
