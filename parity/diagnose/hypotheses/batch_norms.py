"""A batch norm, computed again by the checkpoint's statistics: another epsilon, or a part of it left out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import permutations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, again, unknown
from parity.diagnose.hypotheses.layers import NEAR, SURE
from parity.diagnose.hypotheses.norms import EPSILONS

USUAL = (1e-5, 1e-3)
"""Epsilons that a reference has: PyTorch's, and that of TensorFlow."""

MEAN = "running_mean"


@again
def batch_norm(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The reference is a batch norm of an input by the checkpoint's statistics; the candidate is another one of it."""
    if not e.comparable or not e.weights or e.r.ndim < 2:
        return None
    for channel in range(1, e.r.ndim):
        flat = e.arranged(partial(_rows, channel))
        for name, x in (e.alike() | stacked(e, channel)).items():
            rows = _rows(channel, x)
            for module, parts in _norms(e, flat.r.shape[1]):
                eps = next((eps for eps in USUAL if _near(_normed(rows, *parts, eps), flat.r)), None)
                if eps is None:
                    continue
                right, of = _normed(rows, *parts, eps), f"the batch norm {module} of {name}"
                for words, made in _others(rows, parts, eps):
                    if flat.explains(flat.r + made - right):
                        return Finding("normalisation", SURE, f"{of} {words}")
                if name in (others := stacked(e, channel, turned=True)):
                    made = _normed(_rows(channel, others[name]), *parts, eps)
                    if flat.explains(flat.r + made - right):
                        return Finding("permutation", SURE, f"{of} in the other order")
                return unknown(of, "normalisation", "weights")
    return None


def _rows(channel: int, x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, channel, -1).reshape(-1, x.shape[channel])


def stacked(e: Evidence, axis: int, turned: bool = False) -> dict[str, np.ndarray]:
    """Two inputs that are the reference's shape together along an axis, stacked; `turned` in the other order."""
    found = {}
    for (one, x), (other, y) in permutations(e.inputs.items(), 2):
        parts = [np.asarray(a, np.float64) for a in ((y, x) if turned else (x, y))]
        if x.dtype.kind == y.dtype.kind == "f" and x.ndim == y.ndim == e.r.ndim:
            rest = [a.shape[:axis] + a.shape[axis + 1 :] for a in (x, y, e.r)]
            if x.shape[axis] + y.shape[axis] == e.r.shape[axis] and rest[0] == rest[1] == rest[2]:
                found[f"{one} and {other}"] = np.concatenate(parts, axis=axis)
    return found


Parts = tuple[np.ndarray, np.ndarray, np.ndarray | float, np.ndarray | float]
"""Mean, variance, weight and bias of each channel."""


def _norms(e: Evidence, width: int) -> Iterator[tuple[str, Parts]]:
    for name, mean in e.weights.items():
        if not name.endswith(MEAN) or mean.shape != (width,):
            continue
        module = name.removesuffix(f".{MEAN}")
        found = [e.weights.get(f"{module}.{part}") for part in ("running_var", "weight", "bias")]
        if found[0] is not None:
            variance, weight, bias = (None if each is None else np.asarray(each, np.float64) for each in found)
            assert variance is not None
            yield (
                module,
                (
                    np.asarray(mean, np.float64),
                    variance,
                    1.0 if weight is None else weight,
                    0.0 if bias is None else bias,
                ),
            )


def _normed(
    x: np.ndarray,
    mean: np.ndarray | float,
    variance: np.ndarray,
    weight: np.ndarray | float,
    bias: np.ndarray | float,
    eps: float,
) -> np.ndarray:
    return np.asarray((x - mean) / np.sqrt(variance + eps) * weight + bias)


def _near(made: np.ndarray, r: np.ndarray) -> bool:
    return rms(made - r) <= NEAR * rms(r)


def _others(x: np.ndarray, parts: Parts, eps: float) -> Iterator[tuple[str, np.ndarray]]:
    """What may be other in a batch norm, in words."""
    mean, variance, weight, bias = parts
    one = np.ones_like(variance)
    for other in EPSILONS:
        yield f"with epsilon {other:g}, expected {eps:g}", _normed(x, *parts, other)
    yield "without an epsilon", _normed(x, *parts, 0.0)
    yield "without its mean", _normed(x, 0.0, variance, weight, bias, eps)
    yield "with its mean added", _normed(x, -mean, variance, weight, bias, eps)
    yield "without its variance", _normed(x, mean, one, weight, bias, 0.0)
    yield "by the variance, not its root", _normed(x, mean, (variance + eps) ** 2, weight, bias, 0.0)
    yield "times the deviation", _normed(x, mean, 1 / (variance + eps), weight, bias, 0.0)
    yield "without its weight", _normed(x, mean, variance, 1.0, bias, eps)
    yield "without its bias", _normed(x, mean, variance, weight, 0.0, eps)
    yield "with its bias subtracted", _normed(x, mean, variance, weight, -bias, eps)
    yield "with mean and variance exchanged", _normed(x, variance, mean, weight, bias, eps)
    own = (x.mean(axis=0), x.var(axis=0))
    yield "by the values' own mean and variance: in training", _normed(x, *own, weight, bias, eps)
