"""Tensors that a loader or a program computes of others: norms folded in, weight norms, sums of biases, a factor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from parity.match.arrangement import find, root_mean_square
from parity.match.audit.lying import arranged, said
from parity.match.audit.tensor import Made, Normed, Tensor

NEAR = 2e-6
"""Largest |Δ| in units of the RMS of two tensors that were computed alike, one of them in single precision."""

_ONE = 1e-4
"""Distance from 1 of a factor that nobody chose: the numbers have other digits."""

Hit = tuple[int, tuple[str, ...], str]
"""Number of a tensor that was found, the paths of what it is made of, and how."""


class Near:
    """Tensors found by values that rounding may have moved: by their ends first, which no order of axes moves."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors
        self.by_size: dict[int, list[int]] = {}
        for number, tensor in enumerate(tensors):
            if tensor.size > 1 and tensor.fill is None:
                self.by_size.setdefault(tensor.size, []).append(number)

    @property
    def sizes(self) -> set[int]:
        return set(self.by_size)

    def find(self, value: np.ndarray) -> Iterator[tuple[int, str]]:
        """Numbers of the tensors that are the value, and how their axes lie."""
        numbers = self.by_size.get(value.size, ())
        reach = 2 * NEAR * root_mean_square(value) if numbers else 0.0
        ends = float(value.flat[0]), float(value.flat[-1])
        for number in numbers:
            tensor = self.tensors[number]
            if max(abs(a - b) for a, b in zip(tensor.ends, ends, strict=True)) > reach:
                continue
            held = tensor.read()
            if (arrangement := find(held, value, NEAR)) is not None:
                yield number, said(arrangement, held.shape, value.shape)


def computed(near: Near, made: Iterable[Made], tensors: Mapping[str, Tensor]) -> Iterator[Hit]:
    """Tensors that the other side's program makes of its own alone; what it only moves has the same bits."""
    for one in made:
        for number, lies in near.find(one.value):
            held = near.tensors[number].read()
            parts = [tensors[name].read() for name in one.sources if name in tensors]
            if arranged(held, one.value.astype(held.dtype)) is None and _moved(one.value, parts):
                continue
            yield number, one.sources, "; ".join(filter(None, (f"by {', '.join(one.operations)}", lies)))


def batch_norms(near: Near, norms: Iterable[Normed]) -> Iterator[Hit]:
    """Weights and biases with the batch norm behind them folded in."""
    for norm in norms:
        gain = 1.0 if norm.gain is None else _double(norm.gain)
        factor = gain / np.sqrt(_double(norm.variance) + norm.eps)
        weight = _double(norm.weight)
        shape = [-1 if axis == norm.axis else 1 for axis in range(weight.ndim)]
        shift = 0.0 if norm.shift is None else _double(norm.shift)
        bias = 0.0 if norm.bias is None else _double(norm.bias)
        folded = (
            (weight * factor.reshape(shape), (norm.weight, norm.gain, norm.variance)),
            (
                shift + (bias - _double(norm.mean)) * factor,
                (norm.bias, norm.gain, norm.shift, norm.mean, norm.variance),
            ),
        )
        for value, parts in folded:
            for number, lies in near.find(value):
                paths = tuple(part.name for part in parts if part is not None)
                yield number, paths, "; ".join(filter(None, ("the batch norm is folded in", lies)))


def sums(tensors: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Two rows of one module, whose sum a port may hold: the biases of an LSTM."""
    rows: dict[tuple[str, int], list[Tensor]] = {}
    for tensor in tensors:
        if len(tensor.lengths) == 1 and tensor.path:
            rows.setdefault((tensor.path.rpartition(".")[0], tensor.size), []).append(tensor)
    for found in rows.values():
        yield from combinations(found, 2) if len(found) < 5 else ()


def factors(near: Near, tensors: Sequence[Tensor]) -> Iterator[Hit]:
    """Tensors that are another one times a number."""
    for tensor in tensors:
        first, last = tensor.ends
        if not first or not last or tensor.fill is not None:
            continue
        for number in near.by_size.get(tensor.size, ()):
            held = near.tensors[number]
            factor = held.ends[0] / first
            if abs(factor - 1) < _ONE:
                continue
            if factor and abs(held.ends[1] / last / factor - 1) < 10 * NEAR:
                values, other = held.read(), tensor.read()
                turned = other * np.float64(factor)
                factor *= root_mean_square(values) / root_mean_square(turned)
                if (arrangement := find(values, other * np.float64(factor), NEAR)) is not None:
                    lies = said(arrangement, values.shape, other.shape)
                    yield number, tensor.names, "; ".join(filter(None, (f"{factor:.8g} times it", lies)))


def _moved(value: np.ndarray, parts: Sequence[np.ndarray]) -> bool:
    """All of its numbers are numbers of these."""
    return bool(np.isin(value, np.concatenate([part.ravel() for part in parts])).all()) if parts else False


def _double(tensor: Tensor) -> np.ndarray:
    return tensor.read().astype(np.float64)
