"""Positions as angles: of pairs that are rotated, or of a table of sines and cosines.

A pair is the complex number `first + i second`, and what turns it is `exp(i p f)` for position `p` and frequency `f`.
The turns of both sides say what is apart: the pairs, the direction, the first position, the frequencies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis

NEAR = 1e-3
"""Of a turn of length 1: how near two are that are the same."""

FARTHEST = 4096
PAIRS = {"halves": "i and i + n/2", "neighbours": "2 i and 2 i + 1"}


@dataclass(frozen=True)
class Turns:
    """The turns of one value: `(positions, pairs)` complex numbers of length 1, and how the pairs lie."""

    pairs: str
    values: np.ndarray

    @property
    def steps(self) -> np.ndarray | None:
        """What turns each pair from one position to the next, where that is the same for all."""
        if len(self.values) < 2:
            return None
        steps = self.values[1:] / self.values[:-1]
        mean = steps.mean(axis=0)
        return mean if np.abs(steps - mean).max() < NEAR else None


@hypothesis
def rotary(e: Evidence) -> Finding | None:
    """Each pair is turned otherwise: queries and keys by their input, or a table of positions by itself."""
    time = e.axis("time")
    time = e.r.ndim - 2 if time is None else time  # a table has an axis of its own
    if not e.comparable or e.r.ndim < 2 or e.r.shape[-1] % 2 or time == e.r.ndim - 1 or e.role(time) == "batch":
        return None
    for name, x in _given(e):
        theirs = _turns(e.r, x, time)
        if theirs is None:
            continue
        ours = _turns(e.c, x, time)
        if ours is None:
            return None
        words = _apart(ours, theirs)
        where = f"pairs of {name}" if name else "sines and cosines"
        return Finding("rotary", 0.97, f"{where} are turned otherwise: {words}") if words else None
    return None


def _given(e: Evidence) -> Iterator[tuple[str, np.ndarray | None]]:
    """Inputs of as many values, in the shape of the reference; at last none, for a table."""
    shape, head = e.r.shape, e.axis("head")
    for name, x in e.inputs.items():
        if x.shape == shape:
            yield name, np.asarray(x, np.float64)
        elif head is not None and x.size == e.r.size and x.ndim == e.r.ndim - 1 and x.shape[-1] % shape[head] == 0:
            split = x.reshape(*x.shape[:-1], shape[head], -1)
            yield name, np.asarray(np.moveaxis(split, -2, head), np.float64)
    yield "", None


def _turns(y: np.ndarray, x: np.ndarray | None, time: int) -> Turns | None:
    """What turns `x` into `y`, if a rotation of pairs does; of a table, what turns 1."""
    for pairs in PAIRS:
        turned = _complex(y, pairs)
        given = np.ones_like(turned) if x is None else _complex(x, pairs)
        if x is None and pairs == "neighbours":  # sine first
            turned = 1j * turned.conj()
        lengths = np.abs(given)
        if turned.shape != given.shape or rms(np.abs(turned) - lengths) > NEAR * rms(lengths):
            continue
        rows = [np.moveaxis(a, time, 0).reshape(a.shape[time], -1, a.shape[-1]) for a in (turned, given)]
        weight = (np.abs(rows[1]) ** 2).sum(axis=1)
        values = (rows[0] * rows[1].conj()).sum(axis=1) / np.where(weight > 0, weight, 1)
        if np.abs(np.abs(values) - 1).max() < NEAR:
            return Turns(pairs, values)
    return None


def _complex(array: np.ndarray, pairs: str) -> np.ndarray:
    half = array.shape[-1] // 2
    first, second = (
        (array[..., :half], array[..., half:]) if pairs == "halves" else (array[..., 0::2], array[..., 1::2])
    )
    return np.asarray(first + 1j * second)


def _apart(ours: Turns, theirs: Turns) -> str:
    """In words, how the turns of two values are apart; empty where no such way is known."""
    if ours.pairs != theirs.pairs:
        return f"pairs are {PAIRS[ours.pairs]}, expected {PAIRS[theirs.pairs]} of a vector's n components"
    c, r = ours.values, theirs.values
    if _same(c, np.ones_like(c)):
        return "by no angle: positions are left out"
    if _same(c, r.conj()):
        return "by the negative angles: the sine's sign"
    if _same(c, r[::-1]):
        return "by the angles of the positions in the other order"
    if (moved := _moved(c, r, theirs.steps)) is not None:
        return f"by the angles of positions {abs(moved)} {'later' if moved > 0 else 'earlier'}"
    if ours.steps is None or theirs.steps is None:
        return "by other angles"
    own, expected = np.angle(ours.steps), np.angle(theirs.steps)
    known = np.abs(expected) > 1e-5
    factors = own[known] / expected[known]
    if np.ptp(factors) < 1e-2 * abs(factors[0]) and abs(factors[0] - 1) > 1e-2:
        return f"by {factors.mean():.4g} times the angles"
    if np.abs(own[known] / expected[known] - 1).max() < NEAR:
        return ""
    base, usual = _base(own), _base(expected)
    if base and not usual:
        return f"frequencies {base} as they are, expected scaled ones"
    return f"frequencies {base or 'of another base'}, expected {usual or _range(expected)}"


def _range(frequencies: np.ndarray) -> str:
    return f"from {np.abs(frequencies).max():.4g} to {np.abs(frequencies).min():.4g} rad a position"


def _moved(c: np.ndarray, r: np.ndarray, steps: np.ndarray | None) -> int | None:
    """By how many positions the turns are moved. One position has no step: it is looked for as the step that fits."""
    apart = (c / r).mean(axis=0)
    if np.abs(c / r - apart).max() > NEAR:
        return None
    for by in (1, -1, 2, -2, 3, -3) if steps is None else [k for n in range(1, FARTHEST) for k in (n, -n)]:
        step = np.exp(1j * np.angle(apart) / by) if steps is None else steps
        if np.abs(step**by - apart).max() > 1e-2:
            continue
        places = np.arange(1, FARTHEST)[:, None]
        if steps is not None or (np.abs(np.exp(1j * places * np.angle(step)) - r[0]).max(axis=1) < 5e-2).any():
            return by
    return None


def _base(frequencies: np.ndarray) -> str:
    """`of base 10000`, where the frequencies are its powers."""
    size = np.abs(frequencies)
    if len(size) < 3 or size.min() <= 1e-7 or abs(size[0] - 1) > 1e-3:
        return ""
    places = np.arange(len(size))
    slope = np.log(size)[1:] / places[1:]
    good = size[1:] > 1e-4
    if not good.any() or np.ptp(slope[good]) > 2e-2 * abs(slope[good].mean()):
        return ""
    return f"of base {np.exp(-slope[good][0] * len(size)):.4g}"


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() < NEAR)


def rotated(x: np.ndarray, pairs: str, base: float) -> np.ndarray:
    """`(..., T, D)` with its pairs turned by the angles of positions 0 ... T - 1."""
    places, count = np.arange(x.shape[-2])[:, None], x.shape[-1] // 2
    turned = _complex(x, pairs) * np.exp(1j * places / base ** (np.arange(count) / count))
    if pairs == "halves":
        return np.concatenate([turned.real, turned.imag], axis=-1)
    return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)
