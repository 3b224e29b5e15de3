"""A whole attention, computed again by the checkpoint's weights: its positions, scale, mask, or heads are other ones.

The last part of a tensor's name says which projection it may be; that it makes the reference says that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, again, unknown
from parity.diagnose.hypotheses.attentions import POSITIONS, Attention, Linear, Masks, Table
from parity.diagnose.hypotheses.layers import NEAR, SURE, bias
from parity.diagnose.hypotheses.rotary import PAIRS

LONGEST = 512
"""Positions up to which attention is computed again."""

ROLES = {
    "query": r"(.*_)?(q|query)(_.*)?\.weight",
    "key": r"(.*_)?(k|key)(_.*)?\.weight",
    "value": r"(.*_)?(v|value)(_.*)?\.weight",
    "result": r"(.*_)?(o|out)(_.*)?(\.0)?\.weight",
    "positions": r"(.*_)?(r|pos)(_.*)?\.weight",
}
"""What the weights of a module's projections are called, behind the module's name."""

USUAL = (("", 0.0), ("halves", 1e4), ("halves", 5e5), ("neighbours", 1e4))
ROTARY = (("", 0.0), *((pairs, base) for pairs in PAIRS for base in (1e4, 5e5, 1e6, 1e5, 1e3, 500.0, 100.0)))
"""No positions, or rotary ones by pairs and base: those that a reference has, and that a port may have."""


@again
def attention(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The reference is an attention of an input by weights of the checkpoint; the candidate is another of it."""
    if not e.comparable or not e.weights or e.r.ndim != 3 or e.axis("time") != 1 or e.r.shape[1] > LONGEST:
        return None
    masks = _masks(e)
    for name, array in e.inputs.items():
        x = np.asarray(array, np.float64)
        if array.dtype.kind != "f" or x.ndim != 3 or x.shape[:2] != e.r.shape[:2]:
            continue
        for each, module in _attentions(e, x.shape[2], e.r.shape[2]):
            masked = (replace(each, mask=mask) for mask in masks)
            right = next((way for way in masked if _near(way, x, e.r, masks)), None)
            if right is None:
                continue
            base = right(x, masks)
            for words, other in _others(right, masks):
                if e.explains(e.r + other(x, masks) - base):
                    family = "weights" if "exchanged" in words else "mixing"
                    return Finding(family, SURE, f"the attention {module} of {name} with {words}")
            return unknown(f"the attention {module} of {name}", "mixing", "weights")
    return None


def _near(each: Attention, x: np.ndarray, r: np.ndarray, masks: Masks) -> bool:
    """Whether an attention makes the reference of `x`: of the first item, then of all."""
    first = {
        name: mask[:1] if isinstance(mask, np.ndarray) and mask.ndim == 4 else mask for name, mask in masks.items()
    }
    ways = ((x[:1], r[:1], first), (x, r, masks))
    return all(rms(each(some, known) - part) <= NEAR * rms(part) for some, part, known in ways)


def _others(right: Attention, masks: Masks) -> Iterator[tuple[str, Attention]]:
    """What may be other in an attention, in words."""
    for mask in masks:
        if mask != right.mask:
            yield f"{mask}, expected {right.mask}", replace(right, mask=mask)
    for scale in ("none", "1 / d", "1 / root of the whole width"):
        yield f"a scale of {scale}, expected {right.scale}", replace(right, scale=scale)
    for merged in ("heads merged without a transposition", "heads split as (D, H)"):
        yield merged, replace(right, merged=merged)
    query, key, value, result = right.projections
    for words, projections in {
        "queries and keys": (key, query, value, result),
        "queries and values": (value, key, query, result),
        "keys and values": (query, value, key, result),
    }.items():
        yield f"the weights of {words} exchanged", replace(right, projections=projections)
    if right.turned[0]:
        expected = f"pairs {PAIRS[right.turned[0]]} of base {right.turned[1]:g}"
        for pairs, base in ROTARY:
            words = f"rotary pairs {PAIRS[pairs]} of base {base:g}" if pairs else "rotary positions left out"
            yield f"{words}, expected {expected}", replace(right, turned=(pairs, base))
    if right.table is None:
        return
    for positions in POSITIONS:
        yield f"the positions' term {positions}", replace(right, positions=positions)
    width = right.table[1].shape[-1]
    for term, words in ((width**0.5, "not scaled"), (1 / width**0.5, "scaled twice"), (-1.0, "subtracted")):
        yield f"the positions' term {words}", replace(right, term=term)
    table, content, position = right.table
    zero = np.zeros_like(content)
    yield "the biases of content and positions exchanged", replace(right, table=(table, position, content))
    yield "no bias of the content", replace(right, table=(table, zero, position))
    yield "no bias of the positions", replace(right, table=(table, content, zero))


def _masks(e: Evidence) -> dict[str, np.ndarray | float]:
    frames = e.r.shape[1]
    future = np.triu(np.ones((frames, frames)), 1)
    masks: dict[str, np.ndarray | float] = {"no mask": 0.0, "a causal mask": -1e30 * future}
    for name, array in e.inputs.items():
        items = array.size and len(e.r) % array.size == 0
        if array.dtype.kind in "iu" and array.ndim == 1 and items and array.max() > 0 and frames % array.max() == 0:
            lengths = np.tile(array, len(e.r) // array.size) * (frames // int(array.max()))
            shown = (np.arange(frames) < lengths[:, None])[:, None, None].astype(np.float64)
            masks |= {
                f"{name}'s padding masked": -1e10 * (1 - shown),
                f"{name}'s mask of 0 and 1 added": shown,
                f"{name}'s masks of the items in the other order": -1e10 * (1 - shown[::-1]),
            }
    return masks


def _attentions(e: Evidence, given: int, width: int) -> Iterator[tuple[Attention, str]]:
    """The attentions that the weights of a module may be, of any number of heads and kind of positions."""
    modules: dict[str, dict[str, str]] = {}
    for name in e.weights:
        for depth in (2, 3):
            module, *own = name.rsplit(".", depth)
            role = next((role for role, pattern in ROLES.items() if re.fullmatch(pattern, ".".join(own))), "")
            if role:
                modules.setdefault(module, {})[role] = name
    for module, names in modules.items():
        if not {"query", "key", "value", "result"} <= names.keys():
            continue
        query, key, value, result = (_linear(e, names[role]) for role in ("query", "key", "value", "result"))
        size = len(query[0])
        if query[0].shape != (size, given) or key[0].shape != value[0].shape or result[0].shape != (width, size):
            continue
        for heads in (n for n in range(1, min(size, 64) + 1) if size % n == 0):
            for table in _tables(e, module, names.get("positions", ""), heads, size):
                for turned in USUAL if table is None and size // heads % 2 == 0 else USUAL[:1]:
                    yield Attention((query, key, value, result), heads, table, turned), module


def _tables(e: Evidence, module: str, name: str, heads: int, size: int) -> Iterator[Table | None]:
    """No table, or that of relative positions with the module's two biases, whichever is which."""
    biases = [n for n, w in e.weights.items() if n.startswith(f"{module}.") and w.shape == (heads, size // heads)]
    if not name:
        yield None
    for array in [x[0] for x in e.inputs.values() if name and x.ndim == 3 and x.shape[:2] == (1, 2 * e.r.shape[1] - 1)]:
        for one, other in permutations(biases, 2):
            w, b = _linear(e, name)
            if w.shape == (size, array.shape[1]):
                yield array @ w.T + b, np.asarray(e.weights[one], np.float64), np.asarray(e.weights[other], np.float64)


def _linear(e: Evidence, name: str) -> Linear:
    return np.asarray(e.weights[name], np.float64), bias(e, name)
