"""The verdict on a tap of which two things are known: its mathematics, and how far the device's result is off.

The port as it runs on its device is judged in noise floors of the reference, as always. Where it is beyond its bounds
although its mathematics is equal, its own floor decides: what its own order of operations lets float32 scatter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from parity.judge.floor import at_least
from parity.judge.mathematics import Mathematics
from parity.judge.ties import TIE
from parity.judge.verdict import Verdict

EQUAL, ROUNDING, DEVICE, WRONG, NO_PROGRAM = "equal", "rounding", "device", "wrong", "no program"
WORDS = (EQUAL, ROUNDING, DEVICE, WRONG, NO_PROGRAM)

MULTIPLE = 4.0
"""How many of its own floors a port's error may be and still be rounding. The bound is measured teacher-forced at 7265
taps of Chatterbox's tiny cases, with two dozen idiomatic rewrites of the port at once
(`tests/exact/planted/rewrites.py`). The machines were MLX's CPU, with PyTorch's BLAS and with its own, and an H200. The
median was 0.48, which is what rounding to nearest has of rounding by coin; 99 % were within 0.74 and all within 1.2,
but for two tables that NumPy makes (1.7 and 3.3). The 115 taps beyond 2 noise floors had at most 0.73. Single functions
of MLX had at most 2.7 (erf), the next 1.3. TF32 takes 1562 taps beyond 2 noise floors: these had 1300 in the median and
at least 39 (on the H200), but for one that a normalisation makes small, 2.2. Between lies room for functions that round
to two or three units of the last place."""

Key = tuple[str, str, str]
"""Mode, tap and branch."""


def settled(
    verdict: Verdict,
    mathematics: Mathematics | None,
    own: float = math.nan,
    own_source: float = math.nan,
    strict: bool = False,
) -> Verdict:
    """The verdict with its word. `own` is the port's own floor at the tap where it was measured.

    `own_source`, of a discrete decision, is that of the values it is made on, in their noise floors. `strict`: rounding
    does not pass.
    """
    if mathematics is None:
        return verdict if verdict.word == NO_PROGRAM else replace(verdict, word=NO_PROGRAM)
    found = replace(verdict, mathematics=mathematics.error)
    if not mathematics.passed:
        reason = "; ".join(filter(None, (verdict.reason, f"in double: {mathematics.reason}")))
        return replace(found, word=WRONG, passed=False, reason=reason)
    if verdict.passed:
        return replace(found, word=EQUAL)
    if verdict.flipped == verdict.flipped:
        if verdict.flipped <= TIE * MULTIPLE * own_source:
            return _rounding(found, strict)
        return replace(found, word=DEVICE)
    floor = at_least(own, verdict.reference_rms)
    found, error = replace(found, own=floor), error_of(verdict)
    if not verdict.nonfinite and error <= MULTIPLE * floor:
        return _rounding(found, strict)
    reason = f"{verdict.reason}; {error / floor:.3g} times its own floor, expected at most {MULTIPLE:g}"
    return replace(found, word=DEVICE, reason=reason if error == error else verdict.reason)


def _rounding(verdict: Verdict, strict: bool) -> Verdict:
    return replace(verdict, word=ROUNDING) if strict else replace(verdict, word=ROUNDING, passed=True, reason="")


def error_of(verdict: Verdict) -> float:
    """RMSE of the device's result against double, which is the port's own where its mathematics is equal.

    A slice beyond its bound counts as if it were as loud as the tap, with a floor of the tap for each of its own: so an
    own floor of the whole tap answers for it.
    """
    beyond = verdict.ratio_slice if verdict.ratio_slice > verdict.bound_ratio_slice else 0.0
    return max(verdict.ratio64, beyond) * verdict.floor


def in_doubt(verdict: Verdict, mathematics: Mathematics | None) -> bool:
    """Whether only the port's own floor can say if a failure is the device's."""
    known = verdict.rmse == verdict.rmse or verdict.flipped == verdict.flipped
    return mathematics is not None and mathematics.passed and not verdict.passed and known and not verdict.nonfinite


def by_key(verdicts: list[Mathematics]) -> Mapping[Key, Mathematics]:
    """The mathematics verdicts by mode, tap and branch."""
    return {(verdict.mode, verdict.tap, verdict.branch): verdict for verdict in verdicts}
