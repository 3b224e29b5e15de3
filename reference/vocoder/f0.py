"""Mel to fundamental frequency.

Upstream: `chatterbox/models/s3gen/f0_predictor.py` (`ConvRNNF0Predictor`, which has no recurrent layer).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from spec.config import VocoderConfig


class ConvRNNF0Predictor(nn.Module):
    """`b c t` -> `b t`. f0 in Hz of each mel frame: convolutions with ELU, then the size of a linear layer's output."""

    def __init__(self, config: VocoderConfig):
        super().__init__()
        widths = [config.mel_bins] + [config.f0_width] * (config.f0_layers - 1)
        self.convs = nn.ModuleList(nn.Conv1d(width, config.f0_width, 3, padding=1) for width in widths)
        self.classifier = nn.Linear(config.f0_width, 1)

    def forward(self, mel: Tensor) -> Tensor:
        x = mel
        for conv in self.convs:
            x = F.elu(conv(x))
        return self.classifier(x.transpose(1, 2)).squeeze(-1).abs()  # (B, M)
