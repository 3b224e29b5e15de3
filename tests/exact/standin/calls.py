"""Calls of every function of `mlx.core`: by name, with the arrays that they are made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_RANDOM = np.random.default_rng(0)


def floats(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return _RANDOM.uniform(low, high, shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return floats(*shape, low=0.1, high=3.0)


def integers(*shape: int, low: int = -9, high: int = 9) -> np.ndarray:
    return _RANDOM.integers(low, high, shape).astype(np.int32)


def truths(*shape: int) -> np.ndarray:
    return _RANDOM.random(shape) < 0.5


def complexes(*shape: int) -> np.ndarray:
    return (floats(*shape) + 1j * floats(*shape)).astype(np.complex64)


def definite(n: int) -> np.ndarray:
    """A symmetric positive definite matrix."""
    a = floats(n, n)
    return (a @ a.T + n * np.eye(n)).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A call with a module, MLX's or the stand-in's, and arrays of it; `bound` are options of `bounds.within`."""

    call: Callable[..., Any]
    inputs: tuple[np.ndarray, ...] = ()
    bound: dict[str, Any] = field(default_factory=dict)


SUMS: dict[str, tuple[int, float]] = {
    "hanning": (3, 1.0),
    "hamming": (3, 1.0),
    "blackman": (3, 1.0),
    "bartlett": (3, 1.0),
    "dequantize": (2, 4.0),  # code times scale, and bias
    "gather_qmm": (64, 64.0),
    "fast.layer_norm": (4, 2.0),
    "fast.rope": (2, 4.0),
    "fft.stft": (8, 2.0),
    "fft.istft": (8, 2.0),
    "linalg.pinv": (16, 1.0),
    "linalg.qr": (8, 8.0),
    "linalg.eig": (16, 8.0),
    "linalg.eigvals": (16, 8.0),
}
"""Sums in the functions whose inputs alone do not move their results by as much: terms, and a bound on Σ|terms|."""

CASES: dict[str, list[Case]] = {}


def case(name: str, call: Callable[..., Any], *inputs: np.ndarray, **bound: Any) -> None:
    if name in SUMS:
        bound = {"terms": SUMS[name][0], "total": SUMS[name][1], **bound}
    CASES.setdefault(name, []).append(Case(call, inputs, bound))


def _of_name(name: str) -> Callable[..., Any]:
    """The function of that name, of whichever module."""

    def call(mx: Any, *arrays: Any) -> Any:
        found = mx
        for part in name.split("."):
            found = getattr(found, part)
        return found(*arrays)

    return call


def plainly(names: str, *inputs: np.ndarray, **bound: Any) -> None:
    """Functions called with the arrays alone."""
    for name in names.split():
        case(name, _of_name(name), *inputs, **bound)


def as_methods(names: str, *inputs: np.ndarray, **bound: Any) -> None:
    """Methods of the first array, called with the others."""
    for name in names.split():

        def call(mx: Any, first: Any, *rest: Any, name: str = name) -> Any:
            found = getattr(first, name)
            return found(*rest) if callable(found) else found

        case(f"array.{name}", call, *inputs, **bound)
