"""Attention, computed again from its queries, keys and values: another scale, mask, or order of heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from parity.diagnose.evidence import Evidence, Finding, hypothesis, unknown
from parity.diagnose.hypotheses.attentions import attended
from parity.diagnose.hypotheses.layouts import close

MASKS = {"no mask": None, "a causal mask": 0, "a mask of the future and the present": -1, "a mask of the past": "past"}

ORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "": lambda out: out.swapaxes(1, 2),
    "heads in the other order": lambda out: out[:, ::-1].swapaxes(1, 2),
    "heads merged without a transposition": lambda out: out,
}
"""How the heads of `(B, H, T, D)` come to stand beside each other."""


@hypothesis
def attention(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The reference is the attention of three inputs; the candidate is another one of them."""
    if not e.comparable or e.r.ndim != 3:
        return None
    for names, (q, k, v) in _triples(e):
        scales = _scales(q)
        usual = product(["1 / root of d"], MASKS)
        theirs = {how: ORDERS[""](_heads(q, k, v, scales[how[0]], how[1])).reshape(e.r.shape) for how in usual}
        right = next((how for how, value in theirs.items() if close(value, e.r)), None)
        if right is None:
            continue
        best, words = 1.0, ""
        for scale, mask, order in product(scales, MASKS, ORDERS):
            left = e.left(ORDERS[order](_heads(q, k, v, scales[scale], mask)).reshape(e.r.shape))
            if left < best and (scale, mask, order) != (*right, ""):
                best = left
                apart = [scale for _ in "." if scale != right[0]] + [mask for _ in "." if mask != right[1]]
                words = ", ".join([*apart, *([order] if order else [])])
        if best < 0.1:
            expected = f"scale {right[0]} and {right[1]}"
            return Finding("mixing", 0.97, f"an attention of {', '.join(names)} with {words}; expected {expected}")
        return unknown(f"the attention of {', '.join(names)} with scale {right[0]} and {right[1]}", "mixing")
    return None


def _triples(e: Evidence) -> Iterator[tuple[tuple[str, str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Queries and keys by heads, `(B, H, T, D)`, and values, which have heads or not."""
    floats = {name: np.asarray(x, np.float64) for name, x in e.inputs.items() if x.dtype.kind == "f"}
    batch, time, width = e.r.shape
    by_head = {n: x for n, x in floats.items() if x.ndim == 4 and x.shape[::2] == (batch, time) and x.size == e.r.size}
    for (one, q), (two, k) in product(by_head.items(), by_head.items()):
        if one == two or q.shape != k.shape:
            continue
        heads = q.shape[1]
        for name, x in e.alike().items():
            yield (one, two, name), (q, k, x.reshape(batch, time, heads, width // heads).swapaxes(1, 2))


def _scales(q: np.ndarray) -> dict[str, float]:
    heads, _, width = q.shape[1:]
    return {
        "1 / root of d": width**-0.5,
        "no scale": 1.0,
        "scale 1 / d": 1 / width,
        "scale 1 / root of the whole width": (heads * width) ** -0.5,
        "scale root of d": width**0.5,
        "scale 1 / fourth root of d": width**-0.25,
    }


def _heads(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, mask: str) -> np.ndarray:
    scores = scale * q @ k.swapaxes(2, 3)
    rows, columns = np.indices(scores.shape[2:])
    kind = MASKS[mask]
    if kind == "past":
        scores = np.where(columns < rows, -1e30, scores)
    elif kind is not None:
        scores = np.where(columns > rows + int(kind), -1e30, scores)
    return attended(scores, v)
