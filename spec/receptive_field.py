"""What a sample of the vocoder depends on, computed from its configuration. Imports no framework.

Both sides' generators are the same layers (`vocoder/generator.py`), so that one walk back through them is both's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from spec.config import VocoderConfig


class Span(NamedTuple):
    """Positions `first` ... `last` of a signal, both included. Each method gives what a layer reads to make them."""

    first: int
    last: int

    def widened(self, radius: int) -> Span:
        """Through convolutions of stride 1, padded to keep the length."""
        return Span(self.first - radius, self.last + radius)

    def convolved(self, kernel: int, stride: int, padding: int) -> Span:
        return Span(self.first * stride - padding, self.last * stride - padding + kernel - 1)

    def transposed(self, kernel: int, stride: int, padding: int) -> Span:
        """Through a transposed convolution; an inverse STFT is one."""
        return Span(-((kernel - 1 - padding - self.first) // stride), (self.last + padding) // stride)


class Field(NamedTuple):
    """Of one sample: the mel frames and the source samples that the generator makes it from."""

    mel: Span
    source: Span


class Context(NamedTuple):
    """Frames beside a chunk. The generator needs `left` and `right`, each f0 `pitch` on both sides."""

    left: int
    right: int
    pitch: int

    @property
    def lookahead(self) -> int:
        """Frames that must follow a chunk before it can be said."""
        return self.right + self.pitch


def generator_field(config: VocoderConfig, sample: int) -> Field:
    """Follow `HiFTGenerator` back from one sample of its wave."""
    half, levels = config.n_fft // 2, len(config.upsample_rates)
    x = Span(sample, sample).transposed(config.n_fft, config.hop, half).widened(3)  # conv_post, of 7 taps
    sources = []
    for index in reversed(range(levels)):
        stride, rate, kernel = (
            math.prod(config.upsample_rates[index + 1 :]),
            config.upsample_rates[index],
            config.upsample_kernels[index],
        )
        x = x.widened(max(_radius(config, taps) for taps in config.resblock_kernels))
        joined = x.widened(_radius(config, config.source_kernels[index]))
        frames = joined.convolved(1 if stride == 1 else 2 * stride, stride, stride // 2)
        sources.append(frames.convolved(config.n_fft, config.hop, half))
        if stride == 1:
            x = Span(x.first - 1, x.last - 1)  # the last level has a frame more at its start
        x = x.transposed(kernel, rate, (kernel - rate) // 2)
    source = Span(min(span.first for span in sources), max(span.last for span in sources))
    return Field(x.widened(3), source)  # conv_pre, of 7 taps


def vocoder_context(config: VocoderConfig) -> Context:
    """Whole frames of context with which a chunk of whole frames has the samples of the whole wave."""
    samples = config.frame_samples
    first, last = generator_field(config, 0), generator_field(config, -1)  # of a chunk, and of the one before it
    return Context(
        left=-min(first.mel.first, first.source.first // samples),
        right=1 + max(last.mel.last, last.source.last // samples),
        pitch=config.f0_layers,  # of 3 taps each
    )


def _radius(config: VocoderConfig, kernel: int) -> int:
    """Of a residual block: a dilated convolution and a plain one for each dilation."""
    return kernel // 2 * (sum(config.dilations) + len(config.dilations))
