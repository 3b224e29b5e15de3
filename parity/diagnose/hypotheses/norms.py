"""A norm over the channels, computed again from its input: another epsilon, no mean taken off, another axis."""

from __future__ import annotations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import FEW, Evidence, Finding, hypothesis
from parity.diagnose.hypotheses.sums import in_pairs

EPSILONS = (1e-12, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
FEWEST = 4
"""Positions, to fit the weight and the bias of each channel."""


@hypothesis
def epsilon(e: Evidence) -> Finding | None:
    """The reference is a norm of an input with a weight and a bias; the candidate the same with another epsilon.

    The epsilon of the reference is seen where it is more than rounding; it is said to be small elsewhere.
    """
    channel = e.axis("channel")
    if not e.comparable or channel is None or e.r.size < FEWEST * e.r.shape[channel]:
        return None
    c, r = (np.moveaxis(array, channel, -1).reshape(-1, array.shape[channel]) for array in (e.c, e.r))
    given = {name: np.moveaxis(x, channel, -1).reshape(c.shape) for name, x in e.alike().items()}
    for name, x in (given | in_pairs(given)).items():
        for kind, mean in (("layer norm", True), ("RMS norm", False)):
            normed = {eps: _normed(x, eps, mean) for eps in EPSILONS}
            fits = {eps: _weighted(n, r) for eps, n in normed.items()}
            right = min(EPSILONS, key=lambda eps: rms(fits[eps][0] - r))
            if rms(fits[right][0] - r) > max(3e-7 * rms(r), 2 * e.floor):
                continue
            models = {eps: r + (n - normed[right]) * fits[right][1] for eps, n in normed.items()}
            own = min(EPSILONS, key=lambda eps: rms(models[eps] - c))
            left = rms(models[own] - c) / e.size
            if own == right or rms(models[own] - c) > FEW * e.bound * e.floor or left > 0.7:
                continue
            near = [eps for eps in EPSILONS if rms(fits[eps][0] - r) < 1.05 * rms(fits[right][0] - r) and eps != own]
            expected = f"{right:g}" if len(near) < 2 else f"at most {max(near):g}"
            text = f"a {kind} of {name} with epsilon {own:g}, expected {expected}"
            return Finding("normalisation", round(0.985 * (1 - left), 3), text)
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
