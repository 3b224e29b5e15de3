"""Resampling by windowed sincs, as upstream resamples the prompt before the speaker encoder and the tokenizer.

Upstream: `torchaudio.transforms.Resample`, called in `chatterbox/models/s3gen/s3gen.py` (`embed_ref`). (Reading a file
resamples with soxr instead: `spec/audio.py`.)
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from reference.conditioning.tables import sinc_kernel


class SincKernel(nn.Module):
    """The filter of each phase, `c w`, in the dtype of a wave."""

    def __init__(self, source: int, target: int):
        super().__init__()
        self.source, self.target = source, target

    def forward(self, wave: Tensor) -> Tensor:
        return sinc_kernel(self.source, self.target, wave.dtype).squeeze(1).to(wave.device)


class Resample(nn.Module):
    """`b n` at `source` Hz -> `b n` at `target` Hz; N samples become ceil(N * target / source)."""

    def __init__(self, source: int, target: int):
        super().__init__()
        divisor = math.gcd(source, target)
        self.source, self.target = source // divisor, target // divisor
        self.kernel = SincKernel(self.source, self.target)

    def forward(self, wave: Tensor) -> Tensor:
        if self.source == self.target:
            return wave
        kernel = self.kernel(wave)
        width = (kernel.shape[-1] - self.source) // 2
        padded = F.pad(wave, (width, width + self.source))
        phases = F.conv1d(padded[:, None], kernel[:, None], stride=self.source)  # (B, target, windows)
        samples = -(-self.target * wave.shape[1] // self.source)
        return phases.transpose(1, 2).reshape(len(wave), -1)[:, :samples]
