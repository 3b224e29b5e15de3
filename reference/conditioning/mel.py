"""Waves to mel spectrograms: of the prompt (24 kHz), of the S3 tokenizer (16 kHz) and of the voice encoder (16 kHz).

Upstream: `chatterbox/models/s3gen/utils/mel.py`, `s3tokenizer/s3tokenizer.py` (`log_mel_spectrogram`) and
`voice_encoder/melspec.py`. Waves are `(B, N)`; all three are channels-first, `b c t`, as upstream's. Each is made of
steps that ports take apart: a spectrum, filters, the lowest value, a logarithm.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.conditioning.tables import hann_window, mel_filters
from spec.config import TokenizerConfig, VoiceEncoderConfig

PROMPT_RATE, PROMPT_N_FFT, PROMPT_HOP = 24000, 1920, 480
PROMPT_HIGHEST = 8000.0  # Hz; the mel that the vocoder reads ends there too


class Filtered(nn.Module):
    """`c f`, `b f t` -> `b c t`. Each filter's sum over the frequencies."""

    def forward(self, filters: Tensor, spectrum: Tensor) -> Tensor:
        return filters @ spectrum


class Floor(nn.Module):
    """`b c t` -> `b c t`. Nothing below `lowest`, so that there is a logarithm."""

    def __init__(self, lowest: float):
        super().__init__()
        self.lowest = lowest

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x, min=self.lowest)


class PromptMagnitudes(nn.Module):
    """`b n` at 24 kHz -> `b f t` at 50 Hz: the root of a power and 1e-9.

    Frame i is centred on sample 480 i + 240: reflected at both ends, so that N samples give N // 480 frames.
    """

    def forward(self, wave: Tensor) -> Tensor:
        edge = (PROMPT_N_FFT - PROMPT_HOP) // 2
        padded = F.pad(wave[:, None], (edge, edge), mode="reflect")[:, 0]
        window = hann_window(PROMPT_N_FFT, wave.dtype).to(wave.device)
        spectrum = torch.stft(padded, PROMPT_N_FFT, PROMPT_HOP, window=window, center=False, return_complex=True)
        return torch.sqrt(torch.view_as_real(spectrum).pow(2).sum(-1) + 1e-9)


class PromptMel(nn.Module):
    """`b n` at 24 kHz -> `b c t` at 50 Hz: natural logarithm of the mel magnitudes, not below log(1e-5)."""

    def __init__(self, mel_bins: int):
        super().__init__()
        self.mel_bins = mel_bins
        self.magnitudes = PromptMagnitudes()
        self.filtered = Filtered()
        self.floor = Floor(1e-5)

    def forward(self, wave: Tensor) -> Tensor:
        filters = mel_filters(PROMPT_RATE, PROMPT_N_FFT, self.mel_bins, PROMPT_HIGHEST, wave.dtype).to(wave.device)
        return torch.log(self.floor(self.filtered(filters, self.magnitudes(wave))))


class TokenizerPowers(nn.Module):
    """`b n` at 16 kHz, window -> `b f t` at 100 Hz. The last frame of the centred STFT is dropped: N // 160 frames."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop

    def forward(self, wave: Tensor, window: Tensor) -> Tensor:
        spectrum = torch.stft(wave, self.n_fft, self.hop, window=window, return_complex=True)
        return spectrum[..., :-1].abs() ** 2


class Decades(nn.Module):
    """`b c t` -> `b c t`. Logarithms to base 10, none further than 8 below an item's highest."""

    def forward(self, x: Tensor) -> Tensor:
        decades = x.log10()
        return torch.maximum(decades, decades.amax(dim=(1, 2), keepdim=True) - 8.0)


class LogMelSpectrogram(nn.Module):
    """`b n` at 16 kHz -> `b c t` at 100 Hz: Whisper's log mel, at most 8 decades below an item's maximum, scaled.

    Window and filters are the checkpoint's own.
    """

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.powers = TokenizerPowers(config)
        self.filtered = Filtered()
        self.floor = Floor(1e-10)
        self.decades = Decades()
        self.window = nn.Parameter(torch.zeros(config.n_fft))
        self.filters = nn.Parameter(torch.zeros(config.mel_bins, config.n_fft // 2 + 1))

    def forward(self, wave: Tensor) -> Tensor:
        powers = self.powers(wave, self.window)
        return (self.decades(self.floor(self.filtered(self.filters, powers))) + 4.0) / 4.0


class VoicePowers(nn.Module):
    """`b n` at 16 kHz -> `b f t` at 100 Hz. N samples give 1 + N // 160 frames.

    In NumPy, as upstream: librosa takes the transform in double whatever the wave's dtype, then rounds to that dtype.
    """

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.config = config

    def forward(self, wave: Tensor) -> Tensor:
        frames = np.stack([_powers(row, self.config).T for row in wave.cpu().numpy()])  # (B, T, F)
        return torch.from_numpy(frames).to(wave.device).transpose(1, 2)  # in librosa's order in memory


class PowerMelSpectrogram(nn.Module):
    """`b n` at 16 kHz -> `b c t` at 100 Hz: mel powers as they are, no logarithm."""

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.config = config
        self.powers = VoicePowers(config)

    def forward(self, wave: Tensor) -> Tensor:
        n_fft, rate = self.config.n_fft, self.config.sample_rate
        filters = mel_filters(rate, n_fft, self.config.mel_bins, rate / 2, wave.dtype).numpy()
        mels = [np.dot(filters, powers) for powers in self.powers(wave).cpu().numpy()]
        return torch.from_numpy(np.stack(mels)).to(wave.device)


def _powers(wave: np.ndarray, config: VoiceEncoderConfig) -> np.ndarray:
    """`(N,)` -> `(F, T)`."""
    padded = np.pad(wave, config.n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[:: config.hop].T  # (n_fft, T)
    window = hann_window(config.n_fft, torch.float64).numpy()[:, None]
    spectrum = np.fft.rfft(window * frames, axis=0).astype(np.result_type(wave.dtype, np.complex64), order="F")
    return np.abs(spectrum) ** 2
