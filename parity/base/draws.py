"""Draws: every random tensor a model consumes, made by NumPy from a name, the same on every machine.

A draw is an input, never a seed: both sides are handed the tensor itself.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(case: str, name: str) -> np.random.Generator:
    """Philox keyed by the draw's name and its case, so that adding a draw changes no other."""
    key = hashlib.sha256(f"{case}\0{name}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def normal(case: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal, float32."""
    return generator(case, name).standard_normal(shape, dtype=np.float32)


def uniform(case: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform on [0, 1), float32."""
    return generator(case, name).random(shape, dtype=np.float32)


def integers(case: str, name: str, shape: tuple[int, ...], high: int) -> np.ndarray:
    """Uniform on 0 ... high - 1, int64."""
    return generator(case, name).integers(0, high, shape)
