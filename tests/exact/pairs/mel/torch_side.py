"""A mel front end as functions: pre-emphasis, a Fourier transform of short windows, filters, logarithm, statistics."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

RATE, N_FFT, WINDOW, HOP, MELS = 16000, 128, 100, 40, 12


def mel_filters():
    """Slaney's scale and areas, `(MELS, N_FFT // 2 + 1)`."""
    dtype = torch.float64
    frequencies = torch.linspace(0, RATE / 2, N_FFT // 2 + 1, dtype=dtype)
    top = 15 + np.log(RATE / 2 / 1000) / (np.log(6.4) / 27)
    mels = torch.linspace(0, float(top), MELS + 2, dtype=dtype)
    edges = torch.where(mels < 15, mels * 200 / 3, 1000 * torch.exp(np.log(6.4) / 27 * (mels - 15)))
    widths = edges.diff()
    ramps = edges[:, None] - frequencies[None]
    lower, upper = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    filters = torch.clamp(torch.minimum(lower, upper), min=0)
    return filters * (2.0 / (edges[2:] - edges[:-2]))[:, None]


def reference(wave):
    """`wave (B, samples)` -> log-mel `(B, MELS, T)`, the same normalised by band, and its energy `(B, T)`."""
    emphasised = torch.cat([wave[:, :1], wave[:, 1:] - 0.97 * wave[:, :-1]], dim=1)
    window = torch.hann_window(WINDOW, periodic=True, dtype=wave.dtype)
    padded = F.pad(emphasised[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")[:, 0]
    spectrum = torch.stft(padded, N_FFT, HOP, WINDOW, window, center=False, return_complex=True)
    power = spectrum.real**2 + spectrum.imag**2
    mel = torch.matmul(mel_filters().to(wave.dtype), power)
    log = torch.log10(torch.clamp(mel, min=1e-5))
    log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 3.0)
    log = (log + 4.0) / 4.0
    normalised = (log - log.mean(2, keepdim=True)) / (log.std(2, keepdim=True) + 1e-3)
    return log, normalised, torch.sqrt(power.mean(1) + 1e-9)


def inputs() -> list[dict[str, np.ndarray]]:
    """Clips that grow louder. The last is so quiet that the floor holds more than the largest value does."""
    rng = np.random.default_rng(0)
    sets = []
    for samples in (603, 841):
        loudness = np.exp(-np.linspace(0, 9, samples))[::-1] * np.array([[1.0], [0.2], [0.01]])
        sets.append({"wave": (rng.standard_normal((3, samples)) * loudness).astype(np.float32)})
    return sets
