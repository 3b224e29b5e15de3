"""Waves to mel spectrograms: of the prompt (24 kHz), of the S3 tokenizer (16 kHz) and of the voice encoder (16 kHz).

Upstream: `chatterbox/models/s3gen/utils/mel.py`, `s3tokenizer/s3tokenizer.py` (`log_mel_spectrogram`) and
`voice_encoder/melspec.py`. Waves are `(B, N)`; all three are channels-first, `b c t`, as upstream's.
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


class PromptMel(nn.Module):
    """`b n` at 24 kHz -> `b c t` at 50 Hz: natural logarithm of the mel magnitudes, not below log(1e-5).

    Frame i is centred on sample 480 i + 240: reflected at both ends, so that N samples give N // 480 frames.
    """

    def __init__(self, mel_bins: int):
        super().__init__()
        self.mel_bins = mel_bins

    def forward(self, wave: Tensor) -> Tensor:
        edge = (PROMPT_N_FFT - PROMPT_HOP) // 2
        padded = F.pad(wave[:, None], (edge, edge), mode="reflect")[:, 0]
        window = hann_window(PROMPT_N_FFT, wave.dtype).to(wave.device)
        spectrum = torch.stft(padded, PROMPT_N_FFT, PROMPT_HOP, window=window, center=False, return_complex=True)
        magnitude = torch.sqrt(torch.view_as_real(spectrum).pow(2).sum(-1) + 1e-9)
        filters = mel_filters(PROMPT_RATE, PROMPT_N_FFT, self.mel_bins, PROMPT_HIGHEST, wave.dtype).to(wave.device)
        return torch.log(torch.clamp(filters @ magnitude, min=1e-5))


class LogMelSpectrogram(nn.Module):
    """`b n` at 16 kHz -> `b c t` at 100 Hz: Whisper's log mel, at most 8 decades below an item's maximum, scaled.

    Window and filters are the checkpoint's own. The last frame of the centred STFT is dropped: N samples give N // 160
    frames.
    """

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop
        self.window = nn.Parameter(torch.zeros(config.n_fft))
        self.filters = nn.Parameter(torch.zeros(config.mel_bins, config.n_fft // 2 + 1))

    def forward(self, wave: Tensor) -> Tensor:
        spectrum = torch.stft(wave, self.n_fft, self.hop, window=self.window, return_complex=True)
        power = spectrum[..., :-1].abs() ** 2
        decades = torch.clamp(self.filters @ power, min=1e-10).log10()
        decades = torch.maximum(decades, decades.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (decades + 4.0) / 4.0


class PowerMelSpectrogram(nn.Module):
    """`b n` at 16 kHz -> `b c t` at 100 Hz: mel powers as they are, no logarithm. N samples give 1 + N // 160 frames.

    In NumPy, as upstream: librosa takes the transform in double whatever the wave's dtype, then rounds to that dtype.
    """

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.config = config

    def forward(self, wave: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([_mel_power(row, self.config) for row in wave.cpu().numpy()])).to(wave.device)


def _mel_power(wave: np.ndarray, config: VoiceEncoderConfig) -> np.ndarray:
    """`(N,)` -> `(C, T)`."""
    n_fft, rate, dtype = config.n_fft, config.sample_rate, torch.from_numpy(wave).dtype
    padded = np.pad(wave, n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[:: config.hop].T  # (n_fft, T)
    window = hann_window(n_fft, torch.float64).numpy()[:, None]
    spectrum = np.fft.rfft(window * frames, axis=0).astype(np.result_type(wave.dtype, np.complex64), order="F")
    filters = mel_filters(rate, n_fft, config.mel_bins, rate / 2, dtype).numpy()
    return np.dot(filters, np.abs(spectrum) ** 2)
