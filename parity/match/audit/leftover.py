"""Tensors that no value explains: which two stand for each other, and what a layer looks like that nobody loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import numpy as np

from parity.match.arrangement import Arrangement, guesses, relative_error
from parity.match.audit.lying import sampled
from parity.match.audit.tensor import Tensor

_MOST = 64
"""Tensors of one shape among which those that are near are looked for by value."""

NEAR = 0.5
"""RMS of the difference, in units of the RMS, of two tensors one of which was changed."""

DIGITS = 0.15
"""The same of two tensors of one checkpoint with other digits: codes of four bits are apart by that."""

_SAMPLED = 512
"""Numbers of two tensors that are compared, to see whether they are near."""

_MANY = 1 << 16
"""Numbers of a tensor that say how it is distributed."""

Pair = tuple[Tensor, Tensor, float]
"""A tensor of the reference and one of the port, and how far they are apart, in units of the reference's RMS."""


def pairs(reference: Sequence[Tensor], candidate: Sequence[Tensor]) -> Iterator[Pair]:
    """Tensors of one shape that stand for each other: by values that are near, by their names, by their order."""
    theirs = list(candidate)
    for lengths in dict.fromkeys(tensor.lengths for tensor in reference):
        ours = [tensor for tensor in reference if tensor.lengths == lengths]
        others = [tensor for tensor in theirs if tensor.lengths == lengths]
        rows = []
        if len(ours) <= _MOST and len(others) <= _MOST:
            rows = [(distance(a, b), i, k) for i, a in enumerate(ours) for k, b in enumerate(others)]
        chosen = dict(_chosen([row for row in sorted(rows) if row[0] < NEAR]))
        named = sorted(
            (-_alike(a.path, b.path), i, k)
            for i, a in enumerate(ours)
            for k, b in enumerate(others)
            if i not in chosen and k not in chosen.values() and len(ours) <= _MOST
        )
        chosen |= _chosen(named)
        for i, k in sorted(chosen.items()):
            yield ours[i], others[k], distance(ours[i], others[k])


def _chosen(rows: Sequence[tuple[float, int, int]]) -> Iterator[tuple[int, int]]:
    """Each once, the best first."""
    taken: tuple[set[int], set[int]] = set(), set()
    for _, i, k in rows:
        if i not in taken[0] and k not in taken[1]:
            taken[0].add(i)
            taken[1].add(k)
            yield i, k


def _alike(one: str, other: str) -> float:
    """How much two paths have in common, the last part first."""
    ends = [path.rpartition(".")[2] for path in (one, other)]
    return (ends[0] == ends[1]) + SequenceMatcher(None, one, other, autojunk=False).ratio() if one and other else 0.0


def distance(reference: Tensor, candidate: Tensor) -> float:
    """RMS of the difference in units of the reference's RMS, by some of the numbers, in the best order of axes."""
    ours, theirs = reference.read(), candidate.read()
    turned = (arrangement.apply(ours, theirs.shape) for arrangement in guesses(theirs.shape, ours.shape))
    own = sampled(theirs, _SAMPLED)
    return min(relative_error(own, sampled(one, _SAMPLED)) for one in turned)


def likeliest(reference: np.ndarray, candidate: np.ndarray) -> Arrangement:
    """How two tensors that differ lie to each other: in the order of axes that makes them near, else in the first.

    Of two axes that are equally long chance alone would choose an order, where the numbers have nothing in common.
    """
    own, fitting = sampled(candidate, _MANY), list(guesses(candidate.shape, reference.shape))
    apart = [relative_error(own, sampled(one.apply(reference, candidate.shape), _MANY)) for one in fitting]
    nearest = min(range(len(fitting)), key=apart.__getitem__)
    return fitting[nearest if apart[nearest] < NEAR else 0]


def fresh(tensor: Tensor) -> str:
    """What a tensor has in common with those of a layer that is made and not loaded; empty for nothing.

    Both frameworks draw a layer's weights evenly within 1/√n, n being what one output is made of. MLX draws those of an
    embedding normally with 1/√n, PyTorch with 1.
    """
    if tensor.fill in (0.0, 1.0):
        return f"all {tensor.fill:g}"
    if tensor.size < 64 or len(tensor.lengths) < 2:
        return ""
    every = tensor.read()
    values = sampled(every, _MANY).astype(np.float64)
    size, widest = float(np.sqrt(np.mean(values**2))), float(max(every.max(), -every.min()))
    peak = float(np.mean(values**4)) / size**4
    spread = 4 / np.sqrt(values.size)
    for axis in range(len(tensor.shape)):
        inner = tensor.size / tensor.shape[axis]
        if abs(peak - 1.8) < spread and 1 - 20 / tensor.size < widest * np.sqrt(inner) <= 1 + 1e-6:
            return f"drawn evenly within ±{widest:.3g}, which is 1/√{inner:g}"
    for scale, said in ((tensor.shape[-1] ** -0.5, f"1/√{tensor.shape[-1]}"), (1.0, "1")):
        if abs(peak - 3) < 3 * spread and abs(size / scale - 1) < spread:
            return f"drawn normally, of size {said}"
    return ""
