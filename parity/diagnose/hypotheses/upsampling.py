"""More positions than an input has: each repeated, zeros between, straight lines, or the whole again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis, unknown
from parity.diagnose.hypotheses.functions import occupied

NEAR = 1e-4
"""Of the RMS, how near the reference must be to an upsampling that is computed again."""


def repeated(x: np.ndarray, by: int) -> np.ndarray:
    return np.repeat(x, by, axis=-1)


def stuffed(x: np.ndarray, by: int) -> np.ndarray:
    found = np.zeros((*x.shape[:-1], x.shape[-1] * by))
    found[..., ::by] = x
    return found


def straight(x: np.ndarray, by: int) -> np.ndarray:
    following = np.concatenate([x[..., 1:], x[..., -1:]], axis=-1)
    return np.stack([x + (following - x) * k / by for k in range(by)], axis=-1).reshape(*x.shape[:-1], -1)


def centred(x: np.ndarray, by: int) -> np.ndarray:
    """Straight lines between the middles, as `align_corners=False` has them."""
    places = np.clip((np.arange(x.shape[-1] * by) + 0.5) / by - 0.5, 0, x.shape[-1] - 1)
    low = np.minimum(places.astype(int), x.shape[-1] - 2)
    return np.asarray(x[..., low] * (low + 1 - places) + x[..., low + 1] * (places - low))


def tiled(x: np.ndarray, by: int) -> np.ndarray:
    return np.concatenate([x] * by, axis=-1)


UPSAMPLING: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "each position repeated": repeated,
    "zeros between the positions": stuffed,
    "straight lines from each position to the next": straight,
    "straight lines between the positions' middles": centred,
    "the whole repeated": tiled,
}


@hypothesis
def upsampled(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The value is an input at more positions, by another kind of upsampling."""
    if not e.comparable or e.r.ndim < 2:
        return None
    for name, array in e.inputs.items():
        for axis in range(e.r.ndim) if array.ndim == e.r.ndim and array.dtype.kind == "f" and array.size else ():
            used = occupied(e.r, axis)
            by, rest = divmod(int(np.ptp(used)) + 1 if len(used) else 0, array.shape[axis])
            part = slice(used[0], used[-1] + 1) if by > 1 and not rest and array.shape[axis] > 1 else None
            if part is None or e.r.size // e.r.shape[axis] != array.size // array.shape[axis]:
                continue
            x = np.moveaxis(np.asarray(array, np.float64), axis, -1)
            whole = {kind: np.moveaxis(np.zeros_like(e.r), axis, -1) for kind in UPSAMPLING}
            for kind, function in UPSAMPLING.items():
                whole[kind][..., part] = function(x, by)
            made = {kind: np.moveaxis(y, -1, axis) for kind, y in whole.items()}
            right = next((kind for kind, y in made.items() if rms(y - e.r) <= NEAR * rms(e.r)), None)
            own = next((kind for kind, y in made.items() if e.left(y) < 0.1), None)
            if right and own and own != right:
                return Finding("upsampling", 0.97, f"{own}, expected {right}: {by} times the positions of {name}")
            if right:
                return unknown(f"{right}, {by} times the positions of {name},", "upsampling")
    return None
