"""A norm over the channels, computed again from its input: another epsilon, no mean taken off, another axis."""

from __future__ import annotations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis

EPSILONS = (1e-12, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
FEWEST = 4
"""Positions, to fit the weight and the bias of each channel."""


@hypothesis
def epsilon(e: Evidence) -> Finding | None:
    """The reference is a norm of an input with a weight and a bias; the candidate the same with another epsilon."""
    channel = e.axis("channel")
    if not e.comparable or channel is None or e.r.size < FEWEST * e.r.shape[channel]:
        return None
    c, r = (np.moveaxis(array, channel, -1).reshape(-1, array.shape[channel]) for array in (e.c, e.r))
    for name, array in e.inputs.items():
        if array.shape != e.r.shape or array.dtype.kind != "f":
            continue
        x = np.moveaxis(np.asarray(array, np.float64), channel, -1).reshape(c.shape)
        for kind, mean in (("layer norm", True), ("RMS norm", False)):
            normed = {eps: _normed(x, eps, mean) for eps in EPSILONS}
            fits = {eps: _weighted(n, r) for eps, n in normed.items()}
            right = min(EPSILONS, key=lambda eps: rms(fits[eps][0] - r))
            if rms(fits[right][0] - r) > 3e-7 * rms(r):
                continue
            _, weight, bias = fits[right]
            left = {eps: rms(n * weight + bias - c) / e.size for eps, n in normed.items()}
            ours = min(EPSILONS, key=left.__getitem__)
            if ours != right and left[ours] < 0.05:
                return Finding("normalisation", 0.985, f"a {kind} of {name} with epsilon {ours:g}, expected {right:g}")
    return None


def _normed(x: np.ndarray, eps: float, mean: bool) -> np.ndarray:
    x = x - x.mean(axis=1, keepdims=True) if mean else x
    return np.asarray(x / np.sqrt((x * x).mean(axis=1, keepdims=True) + eps))


def _weighted(normed: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The least-squares weight and bias of each channel, and what they give."""
    centred = normed - normed.mean(axis=0)
    square = (centred * centred).sum(axis=0)
    weight = (centred * y).sum(axis=0) / np.where(square > 0, square, 1)
    bias = y.mean(axis=0) - weight * normed.mean(axis=0)
    return normed * weight + bias, weight, bias
