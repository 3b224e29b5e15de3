"""The hyperparameters of Perth's implicit network, and what it can take.

Upstream: `pretrained/implicit/hparams.yaml` in `perth/perth_net/` of resemble-perth 1.0.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WatermarkConfig:
    """Perth's implicit network: 32 kHz audio to the same with a mark below `highest`, and audio to whether it has one.

    `quietest` is the magnitude at which levels begin; they reach `headroom` dB above 1. Frames are marked whose levels
    sum up to more than `silence` of the highest sum. Audio is heard at each of `rates`: slowed, at its own, hurried.
    """

    sample_rate: int = 32000
    n_fft: int = 2048
    hop: int = 320
    highest: float = 2000.0  # Hz
    quietest: float = 1e-9
    headroom: float = 15.0
    magnitude_limit: float = 1e10
    silence: float = 0.05
    width: int = 256
    kernel: int = 7
    middle_layers: int = 5
    slope: float = 0.01
    rates: tuple[float, ...] = (1.25, 1.0, 0.75)

    @property
    def bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def band(self) -> int:
        """Bins of the spectrum that are marked."""
        return round(self.bins * self.highest / (self.sample_rate / 2))

    @property
    def lowest_level(self) -> float:
        """dB."""
        return float(20 * np.log10(self.quietest))

    @property
    def level_range(self) -> float:
        """dB that make a level of 1 of one of 0."""
        return self.headroom - self.lowest_level


def check_marked_wave(config: WatermarkConfig, wave: np.ndarray) -> None:
    """Raises `ValueError` for waves that can neither be marked nor heard: `(B, N)` at the network's rate."""
    if wave.ndim != 2 or len(wave) == 0 or not np.issubdtype(wave.dtype, np.floating):
        raise ValueError(f"the wave has shape {wave.shape} and dtype {wave.dtype}, expected floating-point (B, N)")
    shortest = config.n_fft // 2 + 1
    if wave.shape[1] < shortest:
        raise ValueError(
            f"the wave has {wave.shape[1]} samples at {config.sample_rate} Hz, expected at least {shortest}: less than "
            "half a window says nothing about a mark"
        )
    if not np.isfinite(wave).all():
        raise ValueError("the wave holds NaN or infinite samples; make it again")
    if silent := [number for number, row in enumerate(wave) if np.abs(row).max() < config.quietest]:
        raise ValueError(f"the wave of item {silent[0]} is silent, expected sound: a mark in silence would be heard")
