"""Draws: every random tensor that speaking consumes, made by NumPy from a seed, the same on both sides. No framework.

A model never draws by itself: it is given these.
"""

from __future__ import annotations

import hashlib

import numpy as np


class Draws:
    """The draws of one utterance, each from a generator of its own, keyed by its name."""

    def __init__(self, seed: int):
        self.seed = seed

    def uniforms(self, count: int) -> np.ndarray:
        """`(count,)` on [0, 1): one for each token that T3 samples."""
        return self._generator("uniforms").random((count,), dtype=np.float32)

    def flow_noise(self, shape: tuple[int, ...]) -> np.ndarray:
        """The ODE's state at t = 0, standard normal, channels-first."""
        return self._generator("flow_noise").standard_normal(shape, dtype=np.float32)

    def phase(self, harmonics: int) -> np.ndarray:
        """`(1, harmonics)`, uniform on -pi ... pi: where each harmonic of the vocoder's source starts."""
        uniform = self._generator("phase").random((1, harmonics), dtype=np.float32)
        return (2 * uniform - 1) * np.float32(np.pi)

    def source_noise(self, harmonics: int, samples: int) -> np.ndarray:
        """`(1, harmonics, samples)`, standard normal: the breath in the vocoder's source."""
        return self._generator("source_noise").standard_normal((1, harmonics, samples), dtype=np.float32)

    def _generator(self, name: str) -> np.random.Generator:
        key = hashlib.sha256(f"{self.seed}\0{name}".encode()).digest()[:16]
        return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
