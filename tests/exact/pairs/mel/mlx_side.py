"""The mel front end in MLX: frames by strides, `mx.fft.rfft`, and filters made with NumPy."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

RATE, N_FFT, WINDOW, HOP, MELS = 16000, 128, 100, 40, 12


def hann() -> mx.array:
    length = WINDOW
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / length)
    left = (N_FFT - WINDOW) // 2
    return mx.array(np.pad(window, (left, N_FFT - WINDOW - left)).astype(np.float32))


def hz(mel):
    linear = mel * 200 / 3
    return np.where(mel < 15, linear, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


def filters() -> mx.array:
    bins = np.fft.rfftfreq(N_FFT, 1 / RATE)
    top = 15 + np.log(RATE / 2 / 1000) * 27 / np.log(6.4)
    edges = hz(np.linspace(0, top, MELS + 2))
    bank = np.zeros((MELS, len(bins)))
    for m in range(MELS):
        low, mid, high = edges[m : m + 3]
        bank[m] = np.maximum(0, np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)))
        bank[m] *= 2 / (high - low)
    return mx.array(bank.astype(np.float32))


def reflect(wave, edge: int):
    before = wave[:, 1 : edge + 1][:, ::-1]
    after = wave[:, -edge - 1 : -1][:, ::-1]
    return mx.concatenate([before, wave, after], axis=1)


def frames(wave):
    count = 1 + (wave.shape[1] - N_FFT) // HOP
    rows = mx.arange(count)[:, None] * HOP + mx.arange(N_FFT)[None]
    return wave[:, rows]


def candidate(wave):
    wave = mx.concatenate([wave[:, :1], wave[:, 1:] - 0.97 * wave[:, :-1]], axis=1)
    spectrum = mx.fft.rfft(frames(reflect(wave, N_FFT // 2)) * hann(), axis=-1)
    power = mx.square(mx.abs(spectrum))
    mel = power @ filters().T
    log = mx.log10(mx.maximum(mel, 1e-5))
    log = mx.maximum(log, mx.max(log, axis=(1, 2), keepdims=True) - 3.0)
    log = (log + 4.0) / 4.0
    mean = mx.mean(log, axis=1, keepdims=True)
    deviation = mx.std(log, axis=1, keepdims=True, ddof=1)
    normalised = (log - mean) / (deviation + 1e-3)
    energy = mx.sqrt(mx.mean(power, axis=-1) + 1e-9)
    return log.swapaxes(1, 2), normalised.swapaxes(1, 2), energy
