"""Sums and transforms that every device computes alike, beside plain ones in double: pairs as in `paths`."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np

from tests.exact.paths import Compare, Pair, draw

SUMS: dict[str, Compare] = {}


def of(compare: Compare) -> Compare:
    SUMS[compare.__name__] = compare
    return compare


@of
def sums_over_time(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.ops.summation import blocked_sum, mean_over_time, normalize, pairwise_sum

    for length in (1, 2, 17, 100, 257):
        x = draw(mx, 2, length, 5)
        plain = np.array(x)
        yield np.array(blocked_sum(x)), plain.sum(1, keepdims=True)
        yield np.array(pairwise_sum(x)), plain.sum(1, keepdims=True)
        yield np.array(mean_over_time(x)), plain.mean(1, keepdims=True)
        row = plain[:, :, 0]
        yield np.array(normalize(x[:, :, 0])), row / np.linalg.norm(row, axis=1, keepdims=True)


@of
def frames_that_overlap(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.ops.taps import overlap_add

    for count, length, hop in ((7, 16, 4), (5, 11, 5), (4, 3, 3)):
        frames = draw(mx, 2, count, length, 3)
        plain = np.zeros((2, hop * (count - 1) + length, 3))
        for place in range(count):
            plain[:, place * hop : place * hop + length] += np.array(frames)[:, place]
        yield np.array(overlap_add(frames, hop)), plain


@of
def spectra(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.ops.spectrum import framed, power_spectrum

    frames = framed(draw(mx, 2, 3000), 400, 160)
    plain = np.array(frames)
    yield np.array(power_spectrum(frames, 400)), np.abs(np.fft.rfft(plain)) ** 2


@of
def transform_of_the_source(mx: ModuleType) -> Iterator[Pair]:
    from mlx_impl.vocoder.stft import ISTFT, STFT
    from spec.config import VocoderConfig
    from spec.window import hann_window

    config = VocoderConfig()
    n_fft, hop = config.n_fft, config.hop
    x = draw(mx, 2, 40 * hop)
    padded = np.pad(np.array(x), ((0, 0), (n_fft // 2, n_fft // 2)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, ::hop] * hann_window(n_fft)
    spectrum = np.fft.rfft(windows)
    yield np.array(STFT(config)(x)), np.concatenate([spectrum.real, spectrum.imag], axis=-1)
    back = ISTFT(config)(mx.array(np.abs(spectrum)), mx.array(np.angle(spectrum)))
    yield np.array(back), np.array(x)
