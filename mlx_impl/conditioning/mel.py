"""Waves to mel spectrograms: of the prompt (24 kHz), of the S3 tokenizer (16 kHz) and of the voice encoder (16 kHz).

Upstream: `chatterbox/models/s3gen/utils/mel.py`, `s3tokenizer/s3tokenizer.py` (`log_mel_spectrogram`) and
`voice_encoder/melspec.py`. Waves are `(B, N)`; all three are channels-last, `b t c`. Each is made of steps that ports
take apart: a spectrum, filters, the lowest value, a logarithm.
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn

from mlx_impl.conditioning.tables import hann_window, mel_filters
from mlx_impl.ops.linear import matmul
from mlx_impl.ops.spectrum import framed, power_spectrum, reflected
from spec.config import TokenizerConfig, VoiceEncoderConfig

PROMPT_RATE, PROMPT_N_FFT, PROMPT_HOP = 24000, 1920, 480
PROMPT_HIGHEST = 8000.0  # Hz; the mel that the vocoder reads ends there too


class Filtered(nn.Module):
    """`c f`, `b t f` -> `b t c`. Each filter's sum over the frequencies."""

    def __call__(self, filters: mx.array, spectrum: mx.array) -> mx.array:
        return matmul(spectrum, filters.T)


class Floor(nn.Module):
    """`b t c` -> `b t c`. Nothing below `lowest`, so that there is a logarithm."""

    def __init__(self, lowest: float):
        super().__init__()
        self.lowest = lowest

    def __call__(self, x: mx.array) -> mx.array:
        return mx.maximum(x, self.lowest)


class PromptMagnitudes(nn.Module):
    """`b n` at 24 kHz -> `b t f` at 50 Hz: the root of a power and 1e-9.

    Frame i is centred on sample 480 i + 240: reflected at both ends, so that N samples give N // 480 frames.
    """

    def __call__(self, wave: mx.array) -> mx.array:
        padded = reflected(wave, (PROMPT_N_FFT - PROMPT_HOP) // 2)
        frames = framed(padded, PROMPT_N_FFT, PROMPT_HOP) * hann_window(PROMPT_N_FFT, wave.dtype)
        power = power_spectrum(frames, PROMPT_N_FFT)
        return mx.sqrt(power + 1e-9)


class PromptMel(nn.Module):
    """`b n` at 24 kHz -> `b t c` at 50 Hz: natural logarithm of the mel magnitudes, not below log(1e-5)."""

    def __init__(self, mel_bins: int):
        super().__init__()
        self.mel_bins = mel_bins
        self.magnitudes = PromptMagnitudes()
        self.filtered = Filtered()
        self.floor = Floor(1e-5)

    def __call__(self, wave: mx.array) -> mx.array:
        filters = mel_filters(PROMPT_RATE, PROMPT_N_FFT, self.mel_bins, PROMPT_HIGHEST, wave.dtype)
        return mx.log(self.floor(self.filtered(filters, self.magnitudes(wave))))


class TokenizerPowers(nn.Module):
    """`b n` at 16 kHz, window -> `b t f` at 100 Hz. The last frame of the centred STFT is dropped: N // 160 frames."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop

    def __call__(self, wave: mx.array, window: mx.array) -> mx.array:
        frames = framed(reflected(wave, self.n_fft // 2), self.n_fft, self.hop)[:, :-1]
        return power_spectrum(frames * window, self.n_fft)


class Decades(nn.Module):
    """`b t c` -> `b t c`. Logarithms to base 10, none further than 8 below an item's highest."""

    def __call__(self, x: mx.array) -> mx.array:
        decades = mx.log10(x)
        return mx.maximum(decades, decades.max(axis=(1, 2), keepdims=True) - 8.0)


class LogMelSpectrogram(nn.Module):
    """`b n` at 16 kHz -> `b t c` at 100 Hz: Whisper's log mel, at most 8 decades below an item's maximum, scaled.

    Window and filters are the checkpoint's own.
    """

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.powers = TokenizerPowers(config)
        self.filtered = Filtered()
        self.floor = Floor(1e-10)
        self.decades = Decades()
        self.window = mx.zeros((config.n_fft,))
        self.filters = mx.zeros((config.mel_bins, config.n_fft // 2 + 1))

    def __call__(self, wave: mx.array) -> mx.array:
        powers = self.powers(wave, self.window)
        return (self.decades(self.floor(self.filtered(self.filters, powers))) + 4.0) / 4.0


class VoicePowers(nn.Module):
    """`b n` at 16 kHz -> `b t f` at 100 Hz. N samples give 1 + N // 160 frames.

    Upstream's transform, librosa's, is in double.
    """

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.config = config

    def __call__(self, wave: mx.array) -> mx.array:
        n_fft = self.config.n_fft
        frames = framed(reflected(wave, n_fft // 2), n_fft, self.config.hop)
        return power_spectrum(frames * hann_window(n_fft, wave.dtype), n_fft)


class PowerMelSpectrogram(nn.Module):
    """`b n` at 16 kHz -> `b t c` at 100 Hz: mel powers as they are, no logarithm."""

    def __init__(self, config: VoiceEncoderConfig):
        super().__init__()
        self.config = config
        self.powers = VoicePowers(config)

    def __call__(self, wave: mx.array) -> mx.array:
        n_fft, rate = self.config.n_fft, self.config.sample_rate
        return matmul(self.powers(wave), mel_filters(rate, n_fft, self.config.mel_bins, rate / 2, wave.dtype).T)
