"""16 kHz voice to the speaker embedding that T3 reads: LSTMs over overlapping windows of the mel, then their mean.

Upstream: `chatterbox/models/voice_encoder/voice_encoder.py`, which encodes 32 windows at a time. The voice comes
trimmed of silence (`spec/audio.py`).
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.conditioning.mel import PowerMelSpectrogram
from mlx_impl.ops.linear import Linear
from mlx_impl.ops.lstm import lstm
from mlx_impl.ops.summation import mean_over_time, normalize
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
    """`b t c` -> `p t c`. The windows of a mel, those of one item after the other, 0 beyond the end."""

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.config = config

    def __call__(self, mel: mx.array) -> mx.array:
        starts, size = window_starts(mel.shape[1], self.config), self.config.frames
        mel = mx.pad(mel, ((0, 0), (0, size), (0, 0)))  # at least what the last one lacks
        return mx.stack([item[start : start + size] for item in mel for start in starts])


class LSTM(nn.Module):
    """`p t c` -> `p t c`. One layer; gates are stacked in the order input, forget, cell, output.

    The bias is the sum of PyTorch's two.
    """

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.width = width
        self.weight_ih = mx.zeros((4 * width, width_in))
        self.weight_hh = mx.zeros((4 * width, width))
        self.bias = mx.zeros((4 * width,))

    def __call__(self, x: mx.array) -> mx.array:
        return lstm(x, self.weight_ih, self.weight_hh, self.bias)


class PartialEncoder(nn.Module):
    """`p t c` -> `p e`. The last state of the LSTMs, projected, rectified and made of length 1."""

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.lstm = [
            LSTM(config.mel_bins if layer == 0 else config.width, config.width) for layer in range(config.layers)
        ]
        self.proj = Linear(config.width, config.speaker_width)

    def __call__(self, partials: mx.array) -> mx.array:
        x = partials
        for layer in self.lstm:
            x = layer(x)
        raw = nn.relu(self.proj(x[:, -1]))
        return normalize(raw)


class VoiceEncoder(nn.Module):
    """Wave `b n` at 16 kHz -> speaker embedding `b e` of length 1."""

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.mel = PowerMelSpectrogram(config)
        self.partials = Partials(config)
        self.encoder = PartialEncoder(config)

    def __call__(self, wave: mx.array) -> mx.array:
        partials = self.partials(self.mel(wave))
        embeddings = self.encoder(partials)  # (B * windows, e)
        return normalize(mean_over_time(embeddings.reshape(len(wave), -1, embeddings.shape[-1]))[:, 0])
