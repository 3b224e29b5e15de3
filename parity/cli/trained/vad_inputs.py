"""Inputs, and where `parity demo` laid what both sides need of two wheels: beside this file. No framework."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RATE, CHUNK = 16000, 512
"""Samples a second, and how many of them are heard at a time."""


def inputs(chunks):
    """Audio `(1, 512 chunks)`: a little noise, a voice whose pitch glides, and more noise."""
    draw = np.random.default_rng(chunks)
    samples = chunks * CHUNK
    seconds = np.arange(samples) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.5 * seconds)) / RATE
    voice = sum(np.sin(number * phase) / (1 + ((number * 120 - 600) / 400) ** 2) for number in range(1, 25))
    spoken = (np.arange(samples) >= samples // 4) & (np.arange(samples) < samples * 3 // 4)
    return {"audio": (0.1 * voice * spoken + 0.01 * draw.standard_normal(samples)).astype(np.float32)[None]}
