"""Subjects of conditioning: resampling, the four mels, tokens, x-vector, speaker embedding, and how a prompt is cut."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ports.chatterbox.subject import CONFIG, LAYERS, Arrays, Subject, checkpoint
from reference.conditioning.mel import PROMPT_RATE, LogMelSpectrogram, PromptMel
from reference.conditioning.resample import Resample
from reference.conditioning.s3tokenizer import S3Tokenizer
from reference.conditioning.speaker_encoder import CAMPPlus
from reference.conditioning.tables import hann_window, mel_filters
from reference.conditioning.voice_encoder import VoiceEncoder
from reference.weights.conditioning import load_speaker_encoder, load_tokenizer, load_voice_encoder

VOICE_RATE = CONFIG.tokenizer.sample_rate


@cache
def tokenizer() -> S3Tokenizer:
    """Of its layers the first ones alone."""
    made = load_tokenizer(checkpoint("s3gen"), CONFIG.tokenizer)
    made.encoder.blocks = made.encoder.blocks[:LAYERS]
    return made


@cache
def speaker_encoder() -> CAMPPlus:
    return load_speaker_encoder(checkpoint("s3gen"), CONFIG.speaker_encoder)


@cache
def voice_encoder() -> VoiceEncoder:
    return load_voice_encoder(checkpoint("ve"), CONFIG.voice_encoder)


def log_mel() -> LogMelSpectrogram:
    """With its tables in the dtype that it is made in: those of the checkpoint are rounded ones."""
    made, config, dtype = LogMelSpectrogram(CONFIG.tokenizer), CONFIG.tokenizer, torch.get_default_dtype()
    made.window.data = hann_window(config.n_fft, dtype)
    made.filters.data = mel_filters(VOICE_RATE, config.n_fft, config.mel_bins, VOICE_RATE / 2, dtype)
    return made


def tokens(tokenizer: S3Tokenizer, given: Arrays) -> tuple[Tensor, Tensor]:
    """Log mel `(1, 128, T)` -> hidden frames at 25 Hz, and tokens."""
    hidden = tokenizer.encoder(given["mel"])
    return hidden, tokenizer.quantizer(hidden)


def speaker(encoder: VoiceEncoder, given: Arrays) -> Tensor:
    """Power mel `(1, 40, T)` -> the speaker embedding `(1, 256)`: of windows, their mean, made of length 1."""
    embeddings = encoder.encoder(encoder.partials(given["mel"]))
    mean = embeddings.mean(dim=0, keepdim=True)
    return mean / torch.linalg.norm(mean, dim=1, keepdim=True)


def voice_mel(wave: Tensor) -> Tensor:
    """Wave `(1, N)` at 16 kHz -> power mel `(1, 40, T)`: `PowerMelSpectrogram`, which is NumPy's, in torch."""
    config = CONFIG.voice_encoder
    window = hann_window(config.n_fft, wave.dtype)
    spectrum = torch.stft(wave, config.n_fft, config.hop, window=window, return_complex=True)
    filters = mel_filters(VOICE_RATE, config.n_fft, config.mel_bins, VOICE_RATE / 2, wave.dtype)
    return filters @ spectrum.abs() ** 2


def voice(samples: int, rate: int) -> np.ndarray:
    """`(1, N)`: three tones that rise and fall, and a little noise, which no part of a mel is without."""
    generator = np.random.default_rng((4, samples))
    time = np.arange(samples) / rate
    tones = sum(np.sin(2 * np.pi * pitch * time + phase) for pitch, phase in ((180, 0), (410, 1), (2300, 2)))
    loud = 0.1 + 0.1 * np.sin(2 * np.pi * 3 * time) ** 2
    return (loud * tones + 0.01 * generator.standard_normal(samples))[None].astype(np.float32)


def waves(rate: int, *samples: int) -> list[dict[str, np.ndarray]]:
    return [{"wave": voice(count, rate)} for count in samples]


def mels(bins: int, *frames: int) -> list[dict[str, np.ndarray]]:
    drawn = [np.random.default_rng((5, count)).standard_normal((1, bins, count), np.float32) for count in frames]
    return [{"mel": np.abs(mel) / 2} for mel in drawn]


SUBJECTS = (
    Subject(
        "conditioning/resample", lambda: Resample(PROMPT_RATE, VOICE_RATE), None, waves(PROMPT_RATE, 300, 451, 601)
    ),
    Subject("conditioning/prompt-mel", lambda: PromptMel(80), None, waves(PROMPT_RATE, 2400, 3000, 4321)),
    Subject("conditioning/log-mel", log_mel, None, waves(VOICE_RATE, 1600, 2000, 2777)),
    Subject("conditioning/tokens", tokenizer, tokens, mels(128, 16, 22, 31)),
    Subject("conditioning/x-vector", speaker_encoder, None, waves(VOICE_RATE, 8000, 9600, 36000)),
    Subject("conditioning/voice-mel", lambda: voice_mel, None, waves(VOICE_RATE, 1600, 2000, 2777)),
    Subject("conditioning/speaker", voice_encoder, speaker, mels(40, 120, 170, 240)),
)
