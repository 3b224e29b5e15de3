"""Attention in double, with rotary positions or the relative ones of Transformer-XL (section 3.3), or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parity.diagnose.hypotheses.rotary import rotated

POSITIONS = {
    "left out": (0, 0),
    "without their shift": (0, 0),
    "one position late": (1, 1),
    "one position early": (1, -1),
    "of the other sign": (-1, 0),
}
"""How relative positions may be wrong: the sign of a distance, and what is added to it."""

Linear = tuple[np.ndarray, np.ndarray | float]
Table = tuple[np.ndarray, np.ndarray, np.ndarray]
Masks = Mapping[str, np.ndarray | float]


def attended(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values, averaged by the softmax of the scores."""
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True) @ values)


@dataclass(frozen=True)
class Attention:
    """Projections of queries, keys, values and the result, and how the scores are made."""

    projections: tuple[Linear, Linear, Linear, Linear]
    heads: int
    table: Table | None = None  # of positions, projected; biases of both terms
    turned: tuple[str, float] = ("", 0.0)
    positions: str = "relative"
    term: float = 1.0
    scale: str = "1 / root of d"
    mask: str = "no mask"
    merged: str = "heads beside each other"

    def __call__(self, x: np.ndarray, masks: Masks) -> np.ndarray:
        query, key, value, result = self.projections
        batch, frames = x.shape[:2]
        q, k, v = ((x @ w.T + b).reshape(batch, frames, self.heads, -1).swapaxes(1, 2) for w, b in (query, key, value))
        if self.merged == "heads split as (D, H)":
            q, k, v = (y.swapaxes(1, 2).reshape(batch, frames, -1, self.heads).transpose(0, 3, 1, 2) for y in (q, k, v))
        width = q.shape[-1]
        q, k = (rotated(y, *self.turned) if self.turned[0] else y for y in (q, k))
        first = q if self.table is None else q + self.table[1][None, :, None]
        scores = first @ k.swapaxes(2, 3)
        if self.table is not None and self.positions != "left out":
            scores = scores + self.term * self._positions(q)
        whole = (width * self.heads) ** -0.5
        known = {"1 / root of d": width**-0.5, "none": 1.0, "1 / d": 1 / width, "1 / root of the whole width": whole}
        scores = scores * known[self.scale] + masks[self.mask]
        out = attended(scores, v)
        out = out if self.merged == "heads merged without a transposition" else out.swapaxes(1, 2)
        return np.asarray(out.reshape(batch, frames, -1) @ result[0].T + result[1])

    def _positions(self, q: np.ndarray) -> np.ndarray:
        """The positions' term of the scores: column `j` of row `i` is that of `i - j`."""
        assert self.table is not None
        frames, count = q.shape[2], len(self.table[0])
        table = self.table[0].reshape(count, self.heads, -1).transpose(1, 2, 0)
        scores = (q + self.table[2][None, :, None]) @ table
        if self.positions == "without their shift":
            return np.asarray(scores[..., :frames])
        rows, columns = np.indices((frames, frames))
        sign, by = POSITIONS.get(self.positions, (1, 0))
        place = frames - 1 + sign * (columns - rows) + by
        return np.asarray(np.take_along_axis(scores, np.clip(place, 0, count - 1)[None, None], axis=-1))
