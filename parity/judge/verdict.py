"""The verdict on one tap: pass or fail, with every number that led to it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from parity.base.bfloat16 import widened
from parity.base.metrics import MASKED, difference
from parity.base.walk import walk
from parity.contract import Rule
from parity.contract.parts import label
from parity.judge import slices
from parity.judge.floor import at_least, with_storage
from parity.judge.ties import tied

ONE_IN_100_000 = 4.26
"""Standard deviations of a normal variable that it exceeds once in so many times."""

COUNTED, FEWEST = 4096, 10
"""Up to how many values they are counted, by sorting them; and the fewest that repetition makes of them."""


def allowance(values: int) -> float:
    """By what factor bounds are wider for a tap of few values: 1 from 152 values on, 1.5 for 32, 2.9 for 10.

    A bound of 2 is for two roundings, sqrt(2) floors apart, and leaves another sqrt(2). But the floor of a tap is a
    sample. Of two root mean squares over n independent values the logarithm of the ratio has a deviation of about
    1 / sqrt(n), so that by chance alone the ratio is beyond exp(4.26 / sqrt(n)) once in 100 000 times.
    """
    deviation = 1 / math.sqrt(max(values - 1, 1))
    return max(1.0, math.exp(ONE_IN_100_000 * deviation) / math.sqrt(2))


def distinct(reference: np.ndarray) -> int:
    """How many values an array holds, those that repeat counted once: an average that many frames share has one error.

    Of a big array its size: that many are never few. At least `FEWEST`, if there are so many: a constant is no reason
    to accept any error.
    """
    size = int(reference.size)
    if size > COUNTED or size <= FEWEST:
        return size
    ordered = np.sort(reference, axis=None)
    return max(1 + int(np.count_nonzero(ordered[1:] != ordered[:-1])), FEWEST)


@dataclass(frozen=True)
class Verdict:
    """Pass or fail of one tap, in one mode, of one branch. `reason` is empty when it passed.

    `ratio32` and `ratio64` are the candidate's RMSE against the float32 and the float64 reference, in units of the
    noise floor: RMSE(float32, float64) of the reference, and never less than the rounding of its last bit.
    Of a discrete decision, `margin` is the smallest of the reference in noise floors, and `ties` counts elements
    that differ although nothing is wrong: the reference itself was within rounding of deciding as the candidate did.
    `flipped` is the largest margin of a decision that differs. `slice` is the slice that is nearest to its bound, where
    float64 is known: its axis, its index and how many there are; `ratio_slice` is its RMSE to the float64 reference in
    the slice's own floors (`parity/judge/slices.py`). Where the candidate was run in double, too, `word` is
    what both runs say together (`parity/judge/arithmetic.py`), `mathematics` the largest difference in double in units
    of the reference's RMS, and `own` the candidate's own floor where the verdict rests on it.

    >>> import numpy as np
    >>> exact = np.random.default_rng(0).standard_normal((2, 500))
    >>> reference = exact.astype(np.float32)
    >>> verdict = parity.judge_tap(reference * np.float32(1.001), reference, exact)
    >>> verdict.passed, verdict.shape, verdict.ratio32 > 1000, f"{verdict.gain:.3f}"
    (False, (2, 500), True, '1.001')
    """

    tap: str
    branch: str
    mode: str
    passed: bool
    reason: str
    shape: tuple[int, ...]
    bound_ratio64: float
    bound_ratio32: float
    reference_rms: float = float("nan")
    rmse: float = float("nan")
    floor: float = float("nan")
    ratio32: float = float("nan")
    ratio64: float = float("nan")
    max_abs: float = float("nan")
    where: tuple[int, ...] = ()
    gain: float = float("nan")
    cosine: float = float("nan")
    nonfinite: int = 0
    margin: float = float("nan")
    ties: int = 0
    flipped: float = float("nan")
    word: str = ""
    mathematics: float = float("nan")
    own: float = float("nan")
    slice: tuple[str, int, int] | tuple[()] = ()
    ratio_slice: float = float("nan")
    bound_ratio_slice: float = float("nan")

    @property
    def relative(self) -> float:
        return self.rmse / self.reference_rms if self.reference_rms > 0 else float("nan")

    @property
    def nearest(self) -> str:
        """The ratio that uses up most of its bound: `ratio64`, `ratio32` or `ratio_slice`; empty without a ratio."""
        shares = {}
        for name, value, bound in (
            ("ratio64", self.ratio64, self.bound_ratio64),
            ("ratio32", self.ratio32, self.bound_ratio32),
            ("ratio_slice", self.ratio_slice, self.bound_ratio_slice),
        ):
            if value == value:  # stored goldens have no ratio64
                shares[name] = value / bound if bound else math.inf
        return max(shares, key=lambda name: shares[name], default="")

    @property
    def ratio(self) -> float:
        """The value of the nearest ratio, and its `bound`; NaN without a ratio."""
        return float(getattr(self, self.nearest or "ratio32"))

    @property
    def bound(self) -> float:
        return float(getattr(self, f"bound_{self.nearest or 'ratio32'}"))

    @property
    def used(self) -> float:
        """How much of its bound the nearest ratio uses up; NaN without a ratio."""
        return self.ratio / self.bound if self.bound else float("inf") if self.nearest else float("nan")

    @property
    def headroom(self) -> float:
        """By what factor the nearest ratio stays under its bound; below 1 it failed, 0 without a ratio."""
        if self.used > 0:
            return 1 / self.used
        return float("inf") if self.passed or self.used == 0 else 0.0

    @property
    def label(self) -> str:
        return label(self.tap, self.branch)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"relative": self.relative, "headroom": self.headroom}


def judge(
    tap: str,
    branch: str,
    mode: str,
    rule: Rule,
    candidate: np.ndarray,
    reference: np.ndarray,
    exact: np.ndarray | None,
    floor: float | None = None,
    margins: np.ndarray | None = None,
    advice: str = "is the axis order declared in [layouts] right?",
    storage: str = "float32",
    axes: str = "",
    run: np.ndarray | None = None,
    dtype: str = "float32",
    word: str = "",
) -> Verdict:
    """Compare a candidate with the float32 `reference` and the float64 `exact`, all in the reference's axes.

    A given noise `floor` is used in place of the tap's own. Without `exact` (stored goldens) it must be given, and only
    ratio32 is judged. `margins` are of discrete decisions, in noise floors of what is decided on: within
    a tie, either is right. `advice` is given with another shape. A candidate that was computed in float32 and stored in
    a narrower dtype, `storage`, has the rounding of that in its floor. `axes` are the names of the arrays' axes. `run`
    is what the given floor was measured on, where that is not the reference. Slices need `exact`, and a candidate that
    computes in float32: in another `dtype` its roundings are not those of the floor, which is of rounded weights. The
    verdict has the `word` where it is known beforehand.
    """
    sample = distinct(reference)
    few = allowance(sample)
    bound_ratio64, bound_ratio32 = few * rule.ratio64, few * rule.ratio32
    base: dict[str, Any] = {
        "tap": tap,
        "branch": branch,
        "mode": mode,
        "shape": tuple(reference.shape),
        "bound_ratio64": bound_ratio64,
        "bound_ratio32": bound_ratio32,
        "word": word,
    }
    if candidate.shape != reference.shape:
        reason = f"shape {candidate.shape}, expected {reference.shape}; {advice}"
        return Verdict(**base, passed=False, reason=reason)
    if reference.size == 0:
        return Verdict(**base, passed=False, reason="empty tensor: nothing was verified")
    if "c" in (candidate.dtype.kind, reference.dtype.kind):
        reason = "complex values are not judged; observe their real and imaginary parts"
        return Verdict(**base, passed=False, reason=reason)
    if reference.dtype.kind in "iub":
        return Verdict(**base, **_equality(candidate, reference, exact, margins))

    with np.errstate(invalid="ignore", over="ignore"):
        found = difference(candidate, reference, exact)
        if not found.reference_rms < MASKED / math.sqrt(reference.size):
            found = difference(candidate, reference, exact, unmasked=True)
    if not math.isfinite(found.reference_rms) or (exact is not None and not math.isfinite(found.noise)):
        return Verdict(**base, passed=False, reason="the reference itself is not finite; correct its weights or inputs")
    noise = found.noise if floor is None and exact is not None else float(floor or 0.0)
    noise = with_storage(at_least(noise, found.reference_rms), found.reference_rms, storage)
    ratio32, ratio64 = found.rmse / noise, found.against_exact / noise
    reasons = []
    if found.nonfinite:
        reasons.append(f"{found.nonfinite} of {candidate.size} values are NaN or infinite")
    if not ratio32 <= bound_ratio32:
        reasons.append(f"ratio32 {ratio32:.3g} > {bound_ratio32:.3g}")
    if exact is not None and not ratio64 <= bound_ratio64:
        reasons.append(f"ratio64 {ratio64:.3g} > {bound_ratio64:.3g}")
    worst: dict[str, Any] = {}
    if exact is not None and dtype == "float32" and not found.nonfinite:
        others = None if run is None else slices.noise_of(run, exact)
        part = slices.worst(found.sums, reference.size, sample, noise, rule.ratio64, storage, others)
        if part is not None:
            names = axes.split() or [f"axis {axis}" for axis in range(reference.ndim)]
            where = names[part.axis], part.index, part.length
            worst = {"slice": where, "ratio_slice": part.ratio, "bound_ratio_slice": part.bound}
            if part.ratio > part.bound:
                reasons.append(f"slice {slices.said(where)}: ratio64 {part.ratio:.3g} > {part.bound:.3g}")
    return Verdict(
        **base,
        passed=not reasons,
        reason="; ".join(reasons),
        reference_rms=found.reference_rms,
        rmse=found.rmse,
        floor=noise,
        ratio32=ratio32,
        ratio64=ratio64,
        max_abs=found.max_abs,
        where=found.where,
        gain=found.gain,
        cosine=found.cosine,
        nonfinite=found.nonfinite,
        **worst,
    )


def _equality(
    candidate: np.ndarray, reference: np.ndarray, exact: np.ndarray | None, margins: np.ndarray | None
) -> dict[str, Any]:
    """What the verdict on integers says: equal, or different where the reference was near enough to another choice."""
    if margins is None:
        pieces = walk(candidate, reference)
        count = sum(int(np.count_nonzero(widened(ours) != theirs)) for _, (ours, theirs) in pieces)
        return {"passed": not count, "reason": f"{count} unequal values" if count else ""}
    if margins.shape != reference.shape:
        reason = f"its margins have shape {margins.shape}, expected {reference.shape}, one for each decision"
        return {"passed": False, "reason": reason}
    near, unequal = tied(margins), widened(candidate) != reference
    reasons = []
    for who, flips in (("", unequal), ("the float64 reference: ", exact != reference if exact is not None else None)):
        if flips is not None and (far := flips & ~near).any():
            count, most = int(np.count_nonzero(far)), float(margins[far].max())
            reasons.append(f"{who}{count} decided otherwise, up to {most:.3g} noise floors from the threshold")
    return {
        "passed": not reasons,
        "reason": "; ".join(reasons),
        "margin": float(margins.min()),
        "ties": int(np.count_nonzero(unequal & near)),
        "flipped": float(margins[unequal].max()) if unequal.any() else float("nan"),
    }


def absent(tap: str, mode: str, rule: Rule, reason: str) -> Verdict:
    """The failing verdict of a tap that one side does not have, or has in another place."""
    return Verdict(tap, "", mode, False, reason, (), rule.ratio64, rule.ratio32)
