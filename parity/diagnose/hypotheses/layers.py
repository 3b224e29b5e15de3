"""A layer, computed again by the checkpoint's weights: of another value, with another function before it.

Weights are found by what they make of right inputs, so their names need not be those of the model's modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, again
from parity.diagnose.hypotheses.functions import ACTIVATIONS
from parity.diagnose.hypotheses.sums import in_pairs

NEAR = 1e-4
"""Of the RMS, how near the reference must be to a layer that is computed again."""

TRIED = 4
"""Rows on which a layer is tried before all are computed."""

INNER = ("identity", "ReLU", "SiLU", "exact GELU", "tanh GELU", "fast GELU, x sigmoid(1.702 x)", "Mish", "sigmoid")
"""Functions between two matrices."""

SURE, OTHER = 0.97, 0.6
"""Confidence in what explains a layer, and in other weights where nothing does."""


@dataclass(frozen=True)
class Layer:
    """What `rows` of an input become: a matrix and its bias, or two of them with a function between, gated or not."""

    name: str
    matrix: np.ndarray
    bias: np.ndarray | float = 0.0
    inner: tuple[tuple[np.ndarray, np.ndarray | float], ...] = ()

    def __call__(self, x: np.ndarray, function: str) -> np.ndarray:
        return self.end(self.begin(x), function)

    def begin(self, x: np.ndarray) -> list[np.ndarray]:
        """What the function is taken of, and what it gates."""
        return [np.asarray(x @ matrix.T + bias) for matrix, bias in self.inner] or [x]

    def fits(self, x: np.ndarray) -> bool:
        """Whether an input is as wide as what the layer begins with."""
        return bool(x.shape[1] == (self.inner[0][0] if self.inner else self.matrix).shape[1])

    def hidden(self, x: np.ndarray, function: str) -> np.ndarray:
        """What the last matrix is given."""
        first, *gate = self.begin(x)
        taken = ACTIVATIONS[function](first)
        return np.asarray(taken * gate[0] if gate else taken)

    def end(self, begun: list[np.ndarray], function: str) -> np.ndarray:
        first, *gate = begun
        hidden = ACTIVATIONS[function](first)
        return np.asarray((hidden * gate[0] if gate else hidden) @ self.matrix.T + self.bias)


@again
def layer(e: Evidence) -> Finding | None:
    """The reference is a layer of one input; the candidate is it of another input, or with another function."""
    if not e.comparable or not e.weights or e.r.ndim < 2:
        return None
    channel = e.axis("channel", "class", "feature", "width")
    channel = e.r.ndim - 1 if channel is None else channel
    flat = e.arranged(lambda a: np.moveaxis(a, channel, -1).reshape(-1, a.shape[channel]))
    inputs = dict(_rows(e, channel, len(flat.r)))
    for each in _layers(e, flat.r.shape[1], {x.shape[1] for x in inputs.values()}):
        for name, x in inputs.items():
            if (function := _function(each, x, flat.r)) is not None:
                return _other(flat, each, name, function, inputs)
    return None


def _other(e: Evidence, each: Layer, name: str, function: str, inputs: dict[str, np.ndarray]) -> Finding:
    """What of a layer that makes the reference is other in the candidate, all as rows."""
    x, right = inputs[name], each(inputs[name], function)

    def explains(made: np.ndarray) -> bool:
        return e.explains(e.r + made - right)

    def said(function: str, name: str) -> str:
        return f"{function} of {name}" if function != "identity" or each.inner else name

    text, expected = f"the layer {each.name} of", f", expected of {said(function, name)}"
    for other in INNER if each.inner else ACTIVATIONS:
        if other != function and explains(each(x, other)):
            return Finding("activation", SURE, f"{text} {said(other, name)}{expected}")
    if len(each.inner) == 2 and explains(replace(each, inner=each.inner[::-1])(x, function)):
        return Finding("activation", SURE, f"{text} {said(function, name)}, gate and value exchanged")
    for other, given in (inputs | in_pairs(inputs)).items():
        if other != name and given.shape == x.shape and explains(each(given, function)):
            return Finding("tap", SURE, f"{text} {said(function, other)}{expected}")
    for other, given in inputs.items():
        for hidden in [*([each.hidden(given, function)] if each.fits(given) else []), given]:
            if hidden.shape == right.shape and explains(hidden):
                return Finding("tap", SURE, f"{said(function, other)} alone: the layer {each.name} is left out")
    shape = each.matrix.shape
    others = {n: np.asarray(w, np.float64) for n, w in _matrices(e).items() if w.shape == shape and n != each.name}
    if shape[0] == shape[1]:
        others = {f"{each.name}, transposed": each.matrix.T} | others
    for other, matrix in others.items():
        for added in (each.bias, bias(e, other)):
            if explains(replace(each, matrix=matrix, bias=added)(x, function)):
                text = f"the layer of {said(function, name)} by {other}, expected by {each.name}"
                return Finding("weights", SURE, text)
    return Finding("weights", OTHER, f"{text} {said(function, name)} makes the reference: its weights are others")


def _rows(e: Evidence, channel: int, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """The inputs that may be a layer's, as rows: of the same positions, or one position of many."""
    for name, array in e.inputs.items():
        if array.dtype.kind != "f" or array.size == 0:
            continue
        x = np.asarray(array, np.float64)
        if x.ndim == e.r.ndim:
            rows = np.moveaxis(x, channel, -1).reshape(-1, x.shape[channel])
            if len(rows) == count:
                yield name, rows
                if x.ndim == 2:
                    length = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
                    yield f"{name} made of length 1", rows / np.where(length > 0, length, 1)
        elif x.ndim == e.r.ndim + 1 and x.shape[0] == count:
            yield f"the last position of {name}", x[:, -1].reshape(count, -1)
            yield f"the first position of {name}", x[:, 0].reshape(count, -1)


def _layers(e: Evidence, width: int, given: set[int]) -> Iterator[Layer]:
    """The checkpoint's layers of that width: single matrices, then those with others of the same module before them."""
    matrices = _matrices(e)
    last = {name: w for name, w in matrices.items() if len(w) == width}
    for name, w in last.items():
        if w.shape[1] in given:
            yield Layer(name, np.asarray(w, np.float64), bias(e, name))
    for name, w in last.items():
        before = [n for n, v in matrices.items() if len(v) == w.shape[1] > v.shape[1] in given and _beside(n, name)]
        pairs = [(np.asarray(matrices[n], np.float64), bias(e, n)) for n in before]
        if pairs:
            bare = Layer(name, np.asarray(w, np.float64), bias(e, name))
            gated = [(a, b) for a, b in permutations(pairs, 2) if a[0].shape == b[0].shape]
            yield from (replace(bare, inner=inner) for inner in [*((pair,) for pair in pairs), *gated])


def _matrices(e: Evidence) -> dict[str, np.ndarray]:
    """The checkpoint's matrices as (out, in). GPT-2 keeps them as (in, out), which the length of a bias says.

    A square matrix lies as others do whose name ends alike.
    """
    found = {name: np.asarray(w) for name, w in e.weights.items() if w.ndim == 2}
    turned = {name for name, w in found.items() if len(w) != w.shape[1] and np.shape(bias(e, name)) == w.shape[1:]}
    alike = {_end(name) for name in turned}
    turned |= {name for name, w in found.items() if len(w) == w.shape[1] and _end(name) in alike}
    return {name: w.T if name in turned else w for name, w in found.items()}


def _end(name: str) -> tuple[str, ...]:
    """The layer's own name and its parameter's."""
    return tuple(name.split(".")[-2:])


def _beside(one: str, other: str) -> bool:
    """Whether two tensors are of one module, by what their names have in common."""
    a, b = one.split("."), other.split(".")
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return one != other and same >= max(len(a), len(b)) - 3


def bias(e: Evidence, name: str) -> np.ndarray | float:
    """The bias of the weight of that name, 0 where it has none."""
    found = e.weights.get(f"{name.removesuffix('weight')}bias")
    return 0.0 if found is None else np.asarray(found, np.float64)


def _function(each: Layer, x: np.ndarray, y: np.ndarray) -> str | None:
    """The function with which a layer makes `y` of `x`, if one does."""
    if not each.fits(x):
        return None
    begun = each.begin(x[:TRIED])
    for name in INNER if each.inner else ACTIVATIONS:
        near = NEAR * rms(y[:TRIED])
        if rms(each.end(begun, name) - y[:TRIED]) <= near and rms(each(x, name) - y) <= NEAR * rms(y):
            return name
    return None
