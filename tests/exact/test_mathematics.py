"""The mathematics verdict on one tap: what is equal, and what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.contract import LOCAL
from parity.judge.mathematics import AMPLIFIED, BOUND, Mathematics, absent, judge, with_floor

THEIRS = np.array([[3.0, -4.0, 0.0], [5.0, 1.0, -2.0]])
RMS = float(np.sqrt(np.mean(THEIRS**2)))


def judged(ours: np.ndarray, theirs: np.ndarray = THEIRS, ties: np.ndarray | None = None) -> Mathematics:
    return judge("tap[step=1]", "cond", LOCAL, np.asarray(ours), np.asarray(theirs), ties)


def test_equal_arrays_are_equal():
    verdict = judged(THEIRS.copy())
    assert (verdict.passed, verdict.reason, verdict.error, verdict.bound) == (True, "", 0.0, BOUND)
    assert verdict.label == "tap[step=1,cond]"


@settings(deadline=None, max_examples=50)
@given(st.integers(0, THEIRS.size - 1), st.floats(-3, 3).filter(lambda times: abs(abs(times) - 1) > 1e-3))
def test_the_largest_difference_decides_in_units_of_the_rms(place, times):
    ours = THEIRS.copy()
    ours.flat[place] += times * BOUND * RMS
    verdict = judged(ours)
    assert verdict.passed == (abs(times) < 1)
    assert verdict.error == pytest.approx(abs(times) * BOUND, rel=1e-4)
    if abs(times) > 1:
        assert verdict.where == np.unravel_index(place, THEIRS.shape)
        assert "expected at most 1.0e-10" in verdict.reason


def test_float32_values_are_wrong_where_they_are_rounded():
    assert not judged((THEIRS / 3).astype(np.float32), THEIRS / 3).passed
    assert judged(THEIRS.astype(np.float32)).passed  # whole numbers are not rounded


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (THEIRS.T, THEIRS, "shape (3, 2), expected (2, 3)"),
        (THEIRS[:, :0], THEIRS[:, :0], "empty tensor"),
        (THEIRS * 1j, THEIRS, "complex values"),
        (np.where(THEIRS == 5, np.nan, THEIRS), THEIRS, "1 of 6 values are NaN or infinite"),
        (np.where(THEIRS == 5, np.inf, THEIRS), THEIRS, "1 of 6 values are NaN or infinite"),
        (THEIRS, np.where(THEIRS == 5, np.nan, THEIRS), "the reference itself is not finite"),
        (np.full(3, 1e-300), np.zeros(3), "not zero, as the reference is everywhere"),
        (np.array([1, 2, 4]), np.array([1, 2, 3]), "1 of 3 values differ, the first at [2]"),
        (np.array([True, False]), np.array([False, False]), "1 of 2 values differ, the first at [0]"),
    ],
)
def test_what_is_wrong_says_why(ours, theirs, reason):
    verdict = judged(ours, theirs)
    assert not verdict.passed
    assert reason in verdict.reason
    assert not verdict.doubtful


def test_what_is_zero_everywhere_must_be_zero():
    assert judged(np.zeros(3), np.zeros(3)).passed


def test_decisions_may_differ_at_a_tie_alone():
    ours, theirs = np.array([1, 2, 4]), np.array([1, 2, 3])
    tied = judged(ours, theirs, np.array([False, False, True]))
    assert (tied.passed, tied.ties) == (True, 1)
    assert not judged(ours, theirs, np.array([True, True, False])).passed
    assert judged(theirs, theirs).ties == 0


def test_a_noise_floor_may_explain_what_is_beyond_the_first_bound():
    ours = THEIRS.copy()
    ours[0, 0] += 1e-9 * RMS
    verdict = judged(ours)
    assert not verdict.passed
    assert verdict.doubtful
    needed = verdict.error / AMPLIFIED
    equal = with_floor(verdict, 1.01 * needed)
    assert (equal.passed, equal.amplified, equal.reason) == (True, True, "")
    assert equal.bound == pytest.approx(AMPLIFIED * 1.01 * needed)
    wrong = with_floor(verdict, 0.99 * needed)
    assert not wrong.passed
    assert not wrong.doubtful  # it was looked at
    assert f"expected at most {wrong.bound:.1e}" in wrong.reason


def test_no_noise_floor_makes_the_bound_tighter():
    ours = THEIRS.copy()
    ours[0, 0] += 0.5 * BOUND * RMS
    assert with_floor(judged(ours), 0.0).passed


def test_an_error_that_no_floor_could_explain_is_not_doubtful():
    ours = THEIRS.copy()
    ours[0, 0] += 1e-6 * RMS
    assert not judged(ours).doubtful


def test_an_absent_tap_is_wrong():
    verdict = absent("tap", LOCAL, "no such tap")
    assert (verdict.passed, verdict.label, verdict.doubtful) == (False, "tap", False)
    assert verdict.as_dict()["bound"] == BOUND
