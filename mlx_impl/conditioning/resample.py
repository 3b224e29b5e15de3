"""Resampling by windowed sincs, as upstream resamples the prompt before the speaker encoder and the tokenizer.

Upstream: `torchaudio.transforms.Resample`, called in `chatterbox/models/s3gen/s3gen.py` (`embed_ref`). (Reading a file
resamples with soxr instead: `spec/audio.py`.)
"""

from __future__ import annotations

import math

import mlx.core as mx
from mlx import nn

from mlx_impl.conditioning.tables import sinc_kernel
from mlx_impl.ops.linear import matmul
from mlx_impl.ops.spectrum import framed


class SincKernel(nn.Module):
    """The filter of each phase, `c w`, in the dtype of a wave."""

    def __init__(self, source: int, target: int):
        super().__init__()
        self.source, self.target = source, target

    def __call__(self, wave: mx.array) -> mx.array:
        return sinc_kernel(self.source, self.target, wave.dtype)


class Resample(nn.Module):
    """`b n` at `source` Hz -> `b n` at `target` Hz, which are fewer; N samples become ceil(N * target / source)."""

    def __init__(self, source: int, target: int):
        super().__init__()
        divisor = math.gcd(source, target)
        self.source, self.target = source // divisor, target // divisor
        self.kernel = SincKernel(self.source, self.target)

    def __call__(self, wave: mx.array) -> mx.array:
        kernel = self.kernel(wave)
        width = (kernel.shape[1] - self.source) // 2
        padded = mx.pad(wave, ((0, 0), (width, width + self.source)))
        phases = matmul(framed(padded, kernel.shape[1], self.source), kernel.T)  # (B, windows, target)
        samples = -(-self.target * wave.shape[1] // self.source)
        return phases.reshape(len(wave), -1)[:, :samples]
