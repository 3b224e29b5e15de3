"""Draws: every random tensor that speaking consumes, made by NumPy from a seed, the same on both sides. No framework.

A model never draws by itself: it is given these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np


class Draws:
    """The draws of one utterance, each from a generator of its own, keyed by its name.

    Noise is drawn frame by frame and sample by sample: a longer utterance's begins with a shorter one's, so that a
    stream, which does not know how long it will be, has the noise of the whole.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def uniforms(self, count: int) -> np.ndarray:
        """`(count,)` on [0, 1): one for each token that T3 samples."""
        return self._generator("uniforms").random((count,), dtype=np.float32)

    def flow_noise(self, bins: int, frames: int) -> np.ndarray:
        """`(1, bins, frames)`, standard normal: the ODE's state at t = 0."""
        return self._generator("flow_noise").standard_normal((1, frames, bins), dtype=np.float32).swapaxes(1, 2)

    def phase(self, harmonics: int) -> np.ndarray:
        """`(1, harmonics)`, uniform on -pi ... pi: where each harmonic of the vocoder's source starts."""
        uniform = self._generator("phase").random((1, harmonics), dtype=np.float32)
        return (2 * uniform - 1) * np.float32(np.pi)

    def source_noise(self, harmonics: int, samples: int) -> np.ndarray:
        """`(1, harmonics, samples)`, standard normal: the breath in the vocoder's source."""
        return self.source_noise_in_turn(harmonics)(samples)

    def source_noise_in_turn(self, harmonics: int) -> Callable[[int], np.ndarray]:
        """The same noise piece by piece: each call gives the next so many samples."""
        generator = self._generator("source_noise")
        return lambda samples: generator.standard_normal((1, samples, harmonics), dtype=np.float32).swapaxes(1, 2)

    def _generator(self, name: str) -> np.random.Generator:
        key = hashlib.sha256(f"{self.seed}\0{name}".encode()).digest()[:16]
        return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
