"""The mathematics verdict on one tap: does the candidate's program, run in double, compute what the reference does?

Both are in double, so nothing is said in noise floors: programs that compute the same agree to 1e-15, and the smallest
faults that are worth finding differ by 1e-7. The bound lies between, of the largest element.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from parity.base.metrics import rms
from parity.contract.parts import label

BOUND = 1e-10
"""Of a tap's root mean square, for its largest difference."""

AMPLIFIED = 64 * 2.0**-29
"""Of a tap's relative noise floor in float32. Where a program amplifies rounding, double's is amplified alike: it is
2^-29 of float32's, and the largest element may be many times the root mean square of which a floor is made."""

WITHIN_REACH = 4 * AMPLIFIED
"""Of an error that a noise floor could explain: a floor of 4 would mean that float32 gives no digit at all."""


@dataclass(frozen=True)
class Mathematics:
    """Equal or wrong, of one branch of a tap in one mode. `reason` is empty where it is equal.

    `error` is the largest difference in units of the reference's root mean square, at the place `where`; where the
    reference is zero everywhere, the difference itself. `floor` is the tap's relative noise floor in float32 where it
    was measured: for an error beyond `BOUND`. `ties` counts decisions that differ at a tie in double.
    """

    tap: str
    branch: str
    mode: str
    passed: bool
    reason: str
    shape: tuple[int, ...] = ()
    error: float = math.nan
    where: tuple[int, ...] = ()
    reference_rms: float = math.nan
    floor: float = math.nan
    ties: int = 0

    @property
    def bound(self) -> float:
        """What `error` may be: more than `BOUND` where the noise floor is known and large."""
        return max(BOUND, AMPLIFIED * self.floor) if self.floor == self.floor else BOUND

    @property
    def amplified(self) -> bool:
        """Whether it is equal by the second term of the bound alone."""
        return self.passed and self.error > BOUND

    @property
    def doubtful(self) -> bool:
        """Whether it is wrong, and a noise floor could make it equal."""
        return not self.passed and BOUND < self.error <= WITHIN_REACH and self.floor != self.floor

    @property
    def label(self) -> str:
        return label(self.tap, self.branch)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"bound": self.bound}


def judge(
    tap: str,
    branch: str,
    mode: str,
    candidate: np.ndarray,
    reference: np.ndarray,
    ties: np.ndarray | None = None,
) -> Mathematics:
    """Compare a candidate with the reference, both in double and in the reference's axes.

    `ties` says of discrete decisions which are ties in double: there, and nowhere else, they may differ.
    """

    def wrong(reason: str, **figures: Any) -> Mathematics:
        return Mathematics(tap, branch, mode, False, reason, tuple(reference.shape), **figures)

    if candidate.shape != reference.shape:
        return wrong(
            f"shape {candidate.shape}, expected {reference.shape}; is the axis order declared in [layouts] right?"
        )
    if reference.size == 0:
        return wrong("empty tensor: nothing was proven")
    if "c" in (candidate.dtype.kind, reference.dtype.kind):
        return wrong("complex values are not judged; observe their real and imaginary parts")
    if reference.dtype.kind in "iub":
        unequal = candidate != reference
        allowed = np.zeros(reference.shape, bool) if ties is None else ties
        if count := int(np.count_nonzero(unequal & ~allowed)):
            where = tuple(int(i) for i in np.argwhere(unequal & ~allowed)[0])
            return wrong(f"{count} of {reference.size} values differ, the first at {list(where)}", where=where)
        tied = int(np.count_nonzero(unequal))
        return Mathematics(tap, branch, mode, True, "", tuple(reference.shape), 0.0, ties=tied)

    scale = rms(reference)
    if not math.isfinite(scale):
        return wrong("the reference itself is not finite; correct its weights or inputs")
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.subtract(candidate, reference, dtype=np.float64)
    np.abs(delta, out=delta)
    place = int(np.argmax(delta))  # the first NaN, if there is one
    largest = float(delta.flat[place])
    figures: dict[str, Any] = {
        "error": largest / scale if scale else largest,
        "where": tuple(int(i) for i in np.unravel_index(place, delta.shape)),
        "reference_rms": scale,
    }
    if not math.isfinite(largest):
        count = int(np.count_nonzero(~np.isfinite(candidate)))
        return wrong(f"{count} of {candidate.size} values are NaN or infinite", **figures)
    if not scale and largest:
        return wrong("not zero, as the reference is everywhere", **figures)
    found = Mathematics(tap, branch, mode, True, "", tuple(reference.shape), **figures)
    return found if found.error <= BOUND else replace(found, passed=False, reason=_beyond(found))


def with_floor(verdict: Mathematics, floor: float) -> Mathematics:
    """The verdict again, with the tap's relative noise floor: RMSE of the reference in float32 over its RMS."""
    found = replace(verdict, floor=floor, passed=True, reason="")
    return found if found.error <= found.bound else replace(found, passed=False, reason=_beyond(found))


def absent(tap: str, mode: str, reason: str) -> Mathematics:
    """The verdict on a tap that one side does not have, or has in another place."""
    return Mathematics(tap, "", mode, False, reason)


def _beyond(verdict: Mathematics) -> str:
    return f"differs by {verdict.error:.3g} of its RMS at {list(verdict.where)}, expected at most {verdict.bound:.1e}"
