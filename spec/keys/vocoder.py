"""Keys of the vocoder: mel to f0 to source to wave.

Upstream: `chatterbox/models/s3gen/hifigan.py`, `f0_predictor.py`. Weights are stored under PyTorch's weight norm:
`original0` is g, `original1` is v, and w = g v / ||v|| over all axes but the first, for transposed convolutions too.
"""

from __future__ import annotations

import math

from spec.config import VocoderConfig
from spec.keys.key import Key, Keys, weight_and_bias


def vocoder_keys(config: VocoderConfig) -> Keys:
    """The 328 `mel2wav.` keys (at full size)."""
    bins = config.n_fft + 2  # real and imaginary parts, or magnitude and phase
    widths = [config.width // 2**level for level in range(len(config.upsample_rates) + 1)]
    yield from weight_and_bias("mel2wav.m_source.l_linear", 1, config.harmonics)
    yield from normed_conv_keys("mel2wav.conv_pre", widths[0], config.mel_bins, 7)
    for level, kernel in enumerate(config.upsample_kernels):
        width_in, width = widths[level : level + 2]
        yield from normed_conv_keys(f"mel2wav.ups.{level}", width_in, width, kernel, width_out=width)
    for level, (width, kernel) in enumerate(zip(widths[1:], config.source_kernels, strict=True)):
        stride = math.prod(config.upsample_rates[level + 1 :])  # the source's frame rate to this level's
        taps = 2 * stride if stride > 1 else 1
        yield from weight_and_bias(f"mel2wav.source_downs.{level}", width, bins, taps)
        yield from resblock_keys(f"mel2wav.source_resblocks.{level}", config, width, kernel)
    for level, width in enumerate(widths[1:]):
        for index, kernel in enumerate(config.resblock_kernels, level * len(config.resblock_kernels)):
            yield from resblock_keys(f"mel2wav.resblocks.{index}", config, width, kernel)
    yield from normed_conv_keys("mel2wav.conv_post", bins, widths[-1], 7)
    yield from f0_keys("mel2wav.f0_predictor", config)


def normed_conv_keys(at: str, first: int, second: int, kernel: int, width_out: int | None = None) -> Keys:
    """A weight-normed convolution; `width_out` where it is not the first dimension, in transposed convolutions."""
    yield Key(f"{at}.bias", (width_out or first,))
    yield Key(f"{at}.parametrizations.weight.original0", (first, 1, 1))
    yield Key(f"{at}.parametrizations.weight.original1", (first, second, kernel))


def resblock_keys(at: str, config: VocoderConfig, width: int, kernel: int) -> Keys:
    for index in range(len(config.dilations)):
        for half in ("1", "2"):
            yield from normed_conv_keys(f"{at}.convs{half}.{index}", width, width, kernel)
            yield Key(f"{at}.activations{half}.{index}.alpha", (width,))


def f0_keys(at: str, config: VocoderConfig) -> Keys:
    for layer in range(config.f0_layers):
        width_in = config.mel_bins if layer == 0 else config.f0_width
        # Every other place in upstream's Sequential is an ELU.
        yield from normed_conv_keys(f"{at}.condnet.{2 * layer}", config.f0_width, width_in, 3)
    yield from weight_and_bias(f"{at}.classifier", 1, config.f0_width)
