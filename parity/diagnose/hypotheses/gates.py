"""A layer of an LSTM, computed again by the checkpoint's weights: gates in another order, a bias that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, again, unknown
from parity.diagnose.hypotheses.layers import NEAR, SURE

GATES = ("input", "forget", "cell", "output")
TRIED = 3
"""Steps on which weights are tried."""

Weights = tuple[np.ndarray, np.ndarray, np.ndarray]


@again
def gates(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The reference is an LSTM's layer of an input; the candidate the same with its gates in another order."""
    if not e.comparable or not e.weights or e.r.ndim != 3:
        return None
    for name, array in e.inputs.items():
        if array.ndim != 3 or array.dtype.kind != "f" or array.shape[:2] != e.r.shape[:2]:
            continue
        x = np.asarray(array, np.float64)
        for weights, biases in _weights(e, x.shape[2], e.r.shape[2]):
            both = (*weights, biases.sum(axis=0))
            if rms(_lstm(x[:, :TRIED], *both) - e.r[:, :TRIED]) > NEAR * rms(e.r[:, :TRIED]):
                continue
            for order in permutations(range(4)):
                if order != (0, 1, 2, 3) and e.left(_lstm(x, *both, order)) < 0.1:
                    own = ", ".join(GATES[i] for i in order)
                    return Finding("gates", SURE, f"the LSTM of {name} with its gates taken for {own} gate")
            for number, what in enumerate(("input's", "state's")):
                for times in (0, 2):
                    bias = biases.sum(axis=0) + (times - 1) * biases[number]
                    if e.left(_lstm(x, *weights, bias)) < 0.1:
                        words = "without" if times == 0 else "with twice"
                        return Finding("gates", SURE, f"the LSTM of {name} {words} the {what} bias")
            return unknown(f"the LSTM of {name}", "gates", "weights")
    return None


def _weights(e: Evidence, given: int, width: int) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
    """Pairs of matrices of four gates, of what is given and of the state, with their biases."""
    for name, first in e.weights.items():
        if first.shape != (4 * width, given) or "ih" not in name:
            continue
        second = e.weights.get(name.replace("ih", "hh"))
        biases = [e.weights.get(name.replace("weight", "bias").replace("ih", part)) for part in ("ih", "hh")]
        if second is not None and second.shape == (4 * width, width):
            zero = np.zeros(4 * width)
            added = np.stack([zero if bias is None else np.asarray(bias, np.float64) for bias in biases])
            yield (np.asarray(first, np.float64), np.asarray(second, np.float64)), added


def _lstm(
    x: np.ndarray, given: np.ndarray, state: np.ndarray, bias: np.ndarray, order: tuple[int, ...] = (0, 1, 2, 3)
) -> np.ndarray:
    """`(B, T, c)` -> `(B, T, width)`; `order` says which gate each quarter of the weights is taken for."""
    hidden = cell = np.zeros((len(x), state.shape[1]))
    outputs = []
    for frame in range(x.shape[1]):
        parts = np.split(x[:, frame] @ given.T + hidden @ state.T + bias, 4, axis=-1)
        gate = {order[i]: parts[i] for i in range(4)}
        enter, forget, leave = (0.5 + 0.5 * np.tanh(gate[i] / 2) for i in (0, 1, 3))
        cell = forget * cell + enter * np.tanh(gate[2])
        hidden = leave * np.tanh(cell)
        outputs.append(hidden)
    return np.stack(outputs, axis=1)
