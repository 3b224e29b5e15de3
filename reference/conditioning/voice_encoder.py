"""16 kHz voice to the speaker embedding that T3 reads: LSTMs over overlapping windows of the mel, then their mean.

Upstream: `chatterbox/models/voice_encoder/voice_encoder.py`, which encodes 32 windows at a time. The voice comes
trimmed of silence (`spec/audio.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.conditioning.mel import PowerMelSpectrogram
from spec.config import VoiceEncoderConfig

WINDOWS_A_SECOND = 1.3
COVERAGE = 0.8  # of the last window that must be voice, or it is left out


def window_starts(frames: int, config: VoiceEncoderConfig) -> list[int]:
    """The first frame of each window over a mel of `frames` frames. At least one; the last may reach beyond the end.

    The step is sample rate / 1.3 / window length, 77 frames. Upstream divides by the window where the hop is meant;
    both are 160.
    """
    size = config.frames
    step = round(config.sample_rate / WINDOWS_A_SECOND / size)
    count, rest = divmod(max(frames - size + step, 0), step)
    if count == 0 or (rest + size - step) / size >= COVERAGE:
        count += 1
    return [step * window for window in range(count)]


class Partials(nn.Module):
    """`b c t` -> `p t c`. The windows of a mel, those of one item after the other, 0 beyond the end."""

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.config = config

    def forward(self, mel: Tensor) -> Tensor:
        starts, size = window_starts(mel.shape[-1], self.config), self.config.frames
        mel = F.pad(mel.transpose(1, 2), (0, 0, 0, max(0, starts[-1] + size - mel.shape[-1])))
        return torch.stack([item[start : start + size] for item in mel for start in starts])


class LSTM(nn.Module):
    """`p t c` -> `p t c`. One layer; gates are stacked in the order input, forget, cell, output.

    The bias is the sum of PyTorch's two.
    """

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.width = width
        self.weight_ih = nn.Parameter(torch.zeros(4 * width, width_in))
        self.weight_hh = nn.Parameter(torch.zeros(4 * width, width))
        self.bias = nn.Parameter(torch.zeros(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        start = x.new_zeros(1, len(x), self.width)
        weights = [self.weight_ih, self.weight_hh, self.bias, torch.zeros_like(self.bias)]
        # Input, states, weights, biases, layers, dropout, training, bidirectional, batch first.
        return torch.lstm(x, (start, start), weights, True, 1, 0.0, False, False, True)[0]


class PartialEncoder(nn.Module):
    """`p t c` -> `p e`. The last state of the LSTMs, projected, rectified and made of length 1."""

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.lstm = nn.ModuleList(
            LSTM(config.mel_bins if layer == 0 else config.width, config.width) for layer in range(config.layers)
        )
        self.proj = nn.Linear(config.width, config.speaker_width)

    def forward(self, partials: Tensor) -> Tensor:
        x = partials
        for layer in self.lstm:
            x = layer(x)
        raw = F.relu(self.proj(x[:, -1]))
        return raw / torch.linalg.norm(raw, dim=1, keepdim=True)


class VoiceEncoder(nn.Module):
    """Wave `b n` at 16 kHz -> speaker embedding `b e` of length 1."""

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.mel = PowerMelSpectrogram(config)
        self.partials = Partials(config)
        self.encoder = PartialEncoder(config)

    def forward(self, wave: Tensor) -> Tensor:
        partials = self.partials(self.mel(wave))
        embeddings = self.encoder(partials)  # (B * windows, e)
        mean = embeddings.view(len(wave), -1, embeddings.shape[-1]).mean(dim=1)
        return mean / torch.linalg.norm(mean, dim=1, keepdim=True)
