"""Mel to fundamental frequency.

Upstream: `chatterbox/models/s3gen/f0_predictor.py` (`ConvRNNF0Predictor`, which has no recurrent layer).
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.ops.convolution import Conv1d
from mlx_impl.ops.linear import Linear
from spec.config import VocoderConfig


class ConvRNNF0Predictor(nn.Module):
    """`b t c` -> `b t`. f0 in Hz of each mel frame: convolutions with ELU, then the size of a linear layer's output."""

    def __init__(self, config: VocoderConfig):
        super().__init__()
        widths = [config.mel_bins] + [config.f0_width] * (config.f0_layers - 1)
        self.convs = [Conv1d(width, config.f0_width, 3, padding=1) for width in widths]
        self.classifier = Linear(config.f0_width, 1)

    def __call__(self, mel: mx.array) -> mx.array:
        x = mel
        for conv in self.convs:
            x = nn.elu(conv(x))
        return mx.abs(self.classifier(x).squeeze(-1))  # (B, M)
