"""Primitives that sum, compare or multiply along axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.exact.operations import casts, fourier, reductions, scan
from parity.exact.primitives.registry import Output, primitive


@primitive("Reduce", "operation", "axes", choices={"operation": ("and", "or", "sum", "prod", "min", "max")})
def reduce(x: np.ndarray, *, operation: str, axes: Sequence[int], outputs: tuple[Output, ...]) -> np.ndarray:
    """Reduced axes stay, with length 1."""
    return reductions.reduce(x, operation, tuple(axes), keepdims=True).astype(
        casts.storage(outputs[0].dtype), copy=False
    )


@primitive("Softmax", "precise")
def softmax(x: np.ndarray, *, precise: bool) -> np.ndarray:
    """Over the last axis."""
    return reductions.softmax(x, -1)


@primitive("LogSumExp")
def logsumexp(x: np.ndarray) -> np.ndarray:
    """Over the last axis, which stays with length 1."""
    return reductions.logsumexp(x, -1, keepdims=True)


@primitive(
    "Scan",
    *("operation", "axis", "reverse", "inclusive"),
    choices={"operation": ("max", "min", "sum", "prod", "logaddexp")},
)
def scan_(x: np.ndarray, *, operation: str, axis: int, reverse: bool, inclusive: bool) -> np.ndarray:
    return scan.scan(x, operation, axis, reverse, inclusive)


@primitive("FFT", "axes", "inverse", "real", "odd")
def fft(
    x: np.ndarray, *, axes: Sequence[int], inverse: bool, real: bool, odd: bool, outputs: tuple[Output, ...]
) -> np.ndarray:
    """An inverse real transform's length is the output's: it cannot be told from the input's."""
    sizes = [outputs[0].shape[axis] for axis in axes] if inverse else None
    return fourier.transform(x, sizes, list(axes), inverse, real)
