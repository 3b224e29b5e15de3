"""f0 to the source signal: sines at the harmonics of f0 and noise, merged into one channel.

Upstream: `SineGen` and `SourceModuleHnNSF` in `chatterbox/models/s3gen/hifigan.py`. Its random draws, the initial
phases and the noise, are arguments here; a third one, which it makes and nobody reads, is left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from reference.ode import Observe, unobserved
from spec.config import VocoderConfig


class SineGenerator(nn.Module):
    """`b t`, `b c` -> `b c t`. Sines at the harmonics of f0 (in Hz, a sample each) that start at the phases `b c`.

    The phase is a running sum over the whole signal. In float32 each increment is rounded, the sum is made in double
    and then rounded: after 30 s of 200 Hz the ninth harmonic has passed 54000 cycles, so that its phase is a multiple
    of 1/256 cycle. Such a multiple is the reference's own error; in float64 there is none.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.harmonics = config.harmonics
        self.amplitude = config.sine_amplitude
        self.sample_rate = config.sample_rate

    def turns(self, f0: Tensor, before: Tensor | None = None) -> Tensor:
        """The running sum, in double: cycles `(B, harmonics, N)`, a stream's `before` being the last column so far."""
        harmonic = torch.arange(1, self.harmonics + 1, dtype=f0.dtype, device=f0.device)[:, None]
        increment = (f0[:, None, :] * harmonic / self.sample_rate).double()
        if before is not None:
            increment = torch.cat([before, increment], dim=-1)
        total = _running_sum(increment) if f0.dtype == torch.float64 else torch.cumsum(increment, dim=-1)
        return total if before is None else total[:, :, 1:]

    def forward(self, f0: Tensor, phase: Tensor, before: Tensor | None = None) -> Tensor:
        theta = 2 * math.pi * (self.turns(f0, before).to(f0.dtype) % 1)
        start = torch.cat([torch.zeros_like(phase[:, :1]), phase[:, 1:]], dim=1)  # the fundamental starts at 0
        return self.amplitude * torch.sin(theta + start[:, :, None])


def _running_sum(x: Tensor) -> Tensor:
    """The running sum of doubles over the last axis, rounded once: of their first 32 binary places, and of the rest.

    Sums of float32 in double are exact here, but those of double round each increment: after 3 s of 240 Hz the phase is
    off by 2e-8 rad, a thousand times more than all else in double.
    """
    coarse = torch.round(x * 2.0**32) / 2.0**32
    return torch.cumsum(coarse, dim=-1) + torch.cumsum(x - coarse, dim=-1)


class SourceModule(nn.Module):
    """`b t`, `b c`, `b c t` -> `b 1 t`. f0 in Hz of each mel frame, phases and noise -> the source signal in -1 ... 1.

    Voiced frames have sines and little noise, unvoiced ones noise alone. `before`: see `SineGenerator.turns`.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.config = config
        self.sine_gen = SineGenerator(config)
        self.linear = nn.Linear(config.harmonics, 1)

    def upsample(self, x: Tensor) -> Tensor:
        """`b t` -> `b t`. A value a mel frame to a value a sample: each is repeated."""
        return x.repeat_interleave(self.config.frame_samples, dim=1)

    def forward(
        self,
        f0: Tensor,
        phase: Tensor,
        noise: Tensor,
        observe: Observe = unobserved,
        before: Tensor | None = None,
    ) -> Tensor:
        config = self.config
        voiced = observe("vocoder.voiced", f0 > config.threshold)
        sines = self.sine_gen(self.upsample(f0), phase, before)
        uv = self.upsample(voiced.to(f0.dtype))[:, None, :]  # (B, 1, N)
        deviation = uv * config.noise_deviation + (1 - uv) * config.sine_amplitude / 3
        harmonics = observe("vocoder.harmonics", sines * uv + deviation * noise)
        return torch.tanh(self.linear(harmonics.transpose(1, 2))).transpose(1, 2)
