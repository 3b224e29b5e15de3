"""f0 to the source signal: sines at the harmonics of f0 and noise, merged into one channel.

Upstream: `SineGen` and `SourceModuleHnNSF` in `chatterbox/models/s3gen/hifigan.py`. Its random draws, the initial
phases and the noise, are arguments here; a third one, which it makes and nobody reads, is left out.
"""

from __future__ import annotations

import math

import mlx.core as mx
from mlx import nn

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.linear import Linear
from mlx_impl.ops.precision import in_double
from spec.config import VocoderConfig

_FRACTION_BITS = 26
"""Of f0 in fixed point: every float32 from 1/8 Hz on is a multiple of 2**-26 Hz, so that nothing is rounded there."""


class SineGenerator(nn.Module):
    """`b t`, `b c` -> `b t c`. Sines at the harmonics of f0 (in Hz, a sample each) that start at the phases `b c`.

    The phase is a running sum over the whole signal. A GPU has no double, and a sum in float32 is off by whole cycles
    after some seconds. The sum is therefore made of integers, which is exact in any order and on every device. With f0
    in units of 2**-26 Hz, the sum is the phase in units of 1 / (24000 2**26) cycles, and remainders take off whole
    cycles. int64 holds an hour and a half of 1 kHz. In double f0 has digits beyond those units, which are summed beside
    the integers.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.harmonics = config.harmonics
        self.amplitude = config.sine_amplitude
        self.cycle = config.sample_rate * 2**_FRACTION_BITS

    def turns(self, f0: mx.array, before: mx.array | None = None) -> mx.array:
        """The running sum of the fundamental `(B, N)`, whole cycles off, a stream's `before` its last column so far."""
        units = f0.astype(mx.float32) * 2.0**_FRACTION_BITS
        fixed = mx.round(units)
        total = mx.cumsum(fixed.astype(mx.int64), axis=1)
        if in_double():
            total = total % self.cycle + mx.cumsum(units - fixed, axis=1)
        return (total if before is None else total + before) % self.cycle

    def __call__(self, f0: mx.array, phase: mx.array, before: mx.array | None = None) -> mx.array:
        harmonic = mx.arange(1, self.harmonics + 1, dtype=mx.int64)
        total = self.turns(f0, before)[:, :, None] * harmonic % self.cycle  # (B, N, harmonics)
        theta = total.astype(mx.float32) * (2 * math.pi / self.cycle)
        start = mx.concatenate([mx.zeros_like(phase[:, :1]), phase[:, 1:]], axis=1)  # the fundamental starts at 0
        return self.amplitude * mx.sin(theta + start[:, None, :])


class SourceModule(nn.Module):
    """`b t`, `b c`, `b t c` -> `b t 1`. f0 in Hz of each mel frame, phases and noise -> the source signal in -1 ... 1.

    Voiced frames have sines and little noise, unvoiced ones noise alone. `before`: see `SineGenerator.turns`.
    """

    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.config = config
        self.sine_gen = SineGenerator(config)
        self.linear = Linear(config.harmonics, 1)

    def upsample(self, x: mx.array) -> mx.array:
        """`b t` -> `b t`. A value a mel frame to a value a sample: each is repeated."""
        return mx.repeat(x, self.config.frame_samples, axis=1)

    def __call__(
        self,
        f0: mx.array,
        phase: mx.array,
        noise: mx.array,
        observe: Observe = unobserved,
        before: mx.array | None = None,
    ) -> mx.array:
        config = self.config
        voiced = observe("vocoder.voiced", f0 > config.threshold)
        sines = self.sine_gen(self.upsample(f0), phase, before)
        uv = self.upsample(voiced.astype(f0.dtype))[:, :, None]  # (B, N, 1)
        deviation = uv * config.noise_deviation + (1 - uv) * config.sine_amplitude / 3
        harmonics = observe("vocoder.harmonics", sines * uv + deviation * noise)
        return mx.tanh(self.linear(harmonics))
