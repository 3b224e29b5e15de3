"""parity.judge.verdict: rounding passes, and whatever is more than rounding fails and says by how much."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.base.metrics import rmse
from parity.contract import Rule
from parity.judge.ties import TIE
from parity.judge.verdict import Verdict, absent, allowance, distinct, judge
from parity.run.report import Report

RULE = Rule("*", "*", ratio64=2.0, ratio32=2.0, why="test")


def noise(key: int, shape: tuple[int, ...] = (2, 16, 8)) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


def rounded(exact: np.ndarray, key: int, floors: float = 1.0) -> np.ndarray:
    """A float32 run: the exact value with an error of `floors` times 1e-6."""
    return (exact + floors * 1e-6 * noise(key, exact.shape)).astype(np.float32)


EXACT = noise(0)
REFERENCE = rounded(EXACT, 1)


def judged(candidate: np.ndarray, reference: np.ndarray = REFERENCE, exact: np.ndarray | None = EXACT, **kw) -> Verdict:
    return judge("tap", "", "local", RULE, candidate, reference, exact, **kw)


@given(st.integers(10, 10_000), st.floats(0.0, 1.2))
def test_an_error_of_the_size_of_the_floor_passes(key, floors):
    verdict = judged(rounded(EXACT, key, floors))
    assert verdict.passed
    assert verdict.reason == ""
    assert verdict.headroom > 1


@given(st.integers(10, 10_000), st.floats(2.5, 1e9))
def test_a_larger_error_fails(key, floors):
    verdict = judged(rounded(EXACT, key, floors))
    assert not verdict.passed
    assert verdict.headroom < 1
    assert "ratio32" in verdict.reason
    assert "ratio64" in verdict.reason


def test_every_number_is_the_one_it_is_called():
    candidate = rounded(EXACT, 7, 1.1)
    verdict = judged(candidate)
    floor = rmse(REFERENCE, EXACT)
    assert verdict.floor == floor
    assert verdict.ratio32 == pytest.approx(rmse(candidate, REFERENCE) / floor)
    assert verdict.ratio64 == pytest.approx(rmse(candidate, EXACT) / floor)
    assert verdict.relative == pytest.approx(verdict.rmse / np.sqrt(np.mean(REFERENCE.astype(np.float64) ** 2)))
    assert verdict.headroom == pytest.approx(2.0 / max(verdict.ratio32, verdict.ratio64))
    assert (verdict.shape, verdict.bound_ratio64, verdict.bound_ratio32) == ((2, 16, 8), 2.0, 2.0)
    assert verdict.as_dict()["headroom"] == verdict.headroom
    assert verdict.as_dict()["relative"] == verdict.relative


def test_each_bound_is_judged_by_itself():
    nearer = dataclasses.replace(RULE, ratio64=0.5)
    assert judge("tap", "", "local", nearer, REFERENCE, REFERENCE, EXACT).reason == "ratio64 1 > 0.5"
    stricter = dataclasses.replace(RULE, ratio32=0.5)
    assert judge("tap", "", "local", stricter, EXACT, REFERENCE, EXACT).reason == "ratio32 1 > 0.5"


@pytest.mark.parametrize("gain", [1.001, 0.999])
def test_a_uniform_gain_fails_though_its_cosine_is_one(gain):
    verdict = judged((REFERENCE * np.float32(gain)).astype(np.float32))
    assert not verdict.passed
    assert verdict.gain == pytest.approx(gain, rel=1e-6)
    assert verdict.cosine == pytest.approx(1.0, abs=1e-9)


def test_one_wrong_value_fails_and_is_named():
    candidate = REFERENCE.copy()
    candidate[1, 3, 5] += np.float32(0.25)
    verdict = judged(candidate)
    assert not verdict.passed
    assert verdict.where == (1, 3, 5)
    assert verdict.max_abs == pytest.approx(0.25, rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 8, 16), (1, 16, 8), (2, 16), (2, 16, 8, 1), (256,), (2, 15, 8), (0, 16, 8)])
def test_another_shape_fails(shape):
    verdict = judged(np.zeros(shape, dtype=np.float32))
    assert not verdict.passed
    assert f"shape {shape}, expected (2, 16, 8)" in verdict.reason
    assert verdict.headroom == 0


def test_swapped_axes_of_equal_length_fail():
    exact = noise(3, (2, 8, 8))
    reference = rounded(exact, 4)
    assert judged(reference.copy(), reference, exact).passed
    assert not judged(reference.swapaxes(1, 2), reference, exact).passed


def test_an_empty_tensor_fails():
    empty = np.zeros((2, 0, 8), dtype=np.float32)
    assert judged(empty, empty, empty.astype(np.float64)).reason == "empty tensor: nothing was verified"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["candidate", "reference", "exact", "candidate and reference"])
def test_a_value_that_is_not_finite_fails(where, bad):
    arrays = {"candidate": REFERENCE.copy(), "reference": REFERENCE.copy(), "exact": EXACT.copy()}
    assert judged(**arrays).passed
    for name in where.split(" and "):
        arrays[name][0, 2, 3] = bad
    verdict = judged(**arrays)
    assert not verdict.passed
    if where == "candidate":
        assert verdict.reason.startswith("1 of 256 values are NaN or infinite")
        assert verdict.nonfinite == 1
    else:
        assert "the reference itself is not finite" in verdict.reason


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.bool_])
def test_integers_must_be_equal(dtype):
    reference = (np.arange(12).reshape(3, 4) % 2).astype(dtype)
    candidate = reference.copy()
    verdict = judged(candidate, reference, reference)
    assert (verdict.passed, verdict.reason, verdict.headroom) == (True, "", float("inf"))
    candidate[1, 2] = 1 - candidate[1, 2]
    verdict = judged(candidate, reference, reference)
    assert (verdict.passed, verdict.reason, verdict.headroom) == (False, "1 unequal values", 0.0)


@pytest.mark.parametrize("which", ["candidate", "reference", "both"])
def test_complex_values_fail(which):
    # In float64 they would lose their imaginary parts.
    candidate = REFERENCE.astype(np.complex64) if which in ("candidate", "both") else REFERENCE
    reference = REFERENCE.astype(np.complex64) if which in ("reference", "both") else REFERENCE
    assert "complex" in judged(candidate, reference).reason


def test_an_exact_reference_has_the_floor_of_its_last_bit():
    reference = np.full((4, 4), 3.0, dtype=np.float32)
    assert judged(reference.copy(), reference, reference.astype(np.float64)).passed
    assert not judged(reference * np.float32(1 + 2e-7), reference, reference.astype(np.float64)).passed


def test_zeros_must_be_zeros():
    zeros = np.zeros((4, 4), dtype=np.float32)
    assert judged(zeros.copy(), zeros, zeros.astype(np.float64)).passed
    assert not judged(zeros + np.float32(1e-30), zeros, zeros.astype(np.float64)).passed


def test_stored_goldens_are_judged_by_distance_alone():
    floor = rmse(REFERENCE, EXACT)
    verdict = judged(rounded(EXACT, 5), exact=None, floor=floor)
    assert verdict.passed
    assert verdict.headroom == pytest.approx(2.0 / verdict.ratio32)
    assert np.isnan(verdict.ratio64)
    assert not judged(rounded(EXACT, 5, 10.0), exact=None, floor=floor).passed


@pytest.mark.parametrize("floor", [None, 0.0, float("nan")])
def test_without_a_floor_an_error_of_the_floor_fails(floor):
    assert not judged(rounded(EXACT, 5), exact=None, floor=floor).passed


@pytest.mark.parametrize(
    ("tap", "branch", "label"),
    [("mu", "", "mu"), ("mu", "cond", "mu[cond]"), ("x[step=4]", "", "x[step=4]"), ("x[step=4]", "c", "x[step=4,c]")],
)
def test_a_label_names_tap_and_branch(tap, branch, label):
    assert judge(tap, branch, "local", RULE, REFERENCE, REFERENCE, EXACT).label == label


def test_an_absent_tap_fails_and_has_no_numbers():
    none_allowed = Rule("", "*", 0.0, 0.0, "undeclared")
    verdict = absent("mu", "accumulated", none_allowed, "the reference has no such tap")
    assert (verdict.passed, verdict.label, verdict.headroom) == (False, "mu", 0.0)
    assert verdict.as_dict()["reason"] == "the reference has no such tap"


@pytest.mark.parametrize(
    ("values", "factor"), [(1, 50.1), (10, 2.93), (32, 1.52), (100, 1.09), (152, 1.0), (10**6, 1.0)]
)
def test_bounds_are_wider_for_taps_of_few_values_only(values, factor):
    assert allowance(values) == pytest.approx(factor, rel=0.01)


@pytest.mark.parametrize("values", [4, 10, 32, 100])
def test_chance_alone_fails_no_tap_of_few_values_and_a_fault_does(values):
    exact = noise(0, (2000, values))
    reference = exact + 1e-6 * noise(1, exact.shape)
    candidate = exact + 1e-6 * noise(2, exact.shape)
    rows = list(zip(candidate, reference, exact, strict=True))
    verdicts = [judge("tap", "", "local", RULE, *row) for row in rows]
    assert all(verdict.passed for verdict in verdicts)
    assert any(verdict.ratio32 > RULE.ratio32 for verdict in verdicts) == (values < 100)
    wrong = [judge("tap", "", "local", RULE, row[0] * 1.001, *row[1:]) for row in rows]
    assert not any(verdict.passed for verdict in wrong)


MARGINS = np.array([[100.0, 5.0, 1000.0], [20.0, 11.0, 9.0]])
CODES = np.array([[1, 2, 3], [4, 5, 6]])


def decided(*flipped: tuple[int, int], exact: np.ndarray = CODES) -> Verdict:
    candidate = CODES.copy()
    for where in flipped:
        candidate[where] += 1
    return judge("codes", "", "local", RULE, candidate, CODES, exact, margins=MARGINS)


def test_equal_decisions_pass_and_say_how_near_the_nearest_was():
    verdict = decided()
    assert (verdict.passed, verdict.margin, verdict.ties) == (True, 5.0, 0)


def test_a_decision_within_rounding_of_another_is_a_tie():
    verdict = decided((0, 1), (1, 2))
    assert verdict.passed
    assert (verdict.margin, verdict.ties) == (5.0, 2)
    assert MARGINS[1, 2] < TIE < MARGINS[1, 1]


@pytest.mark.parametrize("flip", [(0, 0), (0, 2), (1, 1)])
def test_a_decision_far_from_another_must_be_equal(flip):
    verdict = decided(flip, (0, 1))
    assert not verdict.passed
    assert verdict.reason == f"1 decided otherwise, up to {MARGINS[flip]:.3g} noise floors from the threshold"
    assert verdict.ties == 1


def test_a_float64_reference_that_decides_otherwise_fails_too():
    other = CODES.copy()
    other[0, 0] = 9
    assert decided(exact=other).reason.startswith("the float64 reference: 1 decided otherwise")
    other = CODES.copy()
    other[0, 1] = 9
    assert decided(exact=other).passed


def test_margins_of_another_shape_or_without_a_floor_excuse_nothing():
    flipped = CODES + 1
    verdict = judge("codes", "", "local", RULE, CODES, CODES, CODES, margins=MARGINS[:1])
    assert "its margins have shape (1, 3), expected (2, 3)" in verdict.reason
    assert not judge("codes", "", "local", RULE, flipped, CODES, CODES, margins=MARGINS * np.nan).passed
    assert judge("codes", "", "local", RULE, CODES, CODES, CODES, margins=MARGINS * np.nan).passed


def test_values_that_repeat_are_one_value():
    few = noise(0, (3, 8))
    assert distinct(np.repeat(few, 11, axis=0)) == distinct(few) == few.size == 24
    assert distinct(np.full((4, 4), 3.0)) == 10
    assert distinct(np.zeros((2, 3))) == 6
    big = np.zeros((2, 4096))
    assert distinct(big) == big.size


def test_chance_alone_fails_no_tap_of_repeated_values_and_a_fault_does():
    exact = noise(0, (2000, 24))
    reference = exact + 1e-6 * noise(1, exact.shape)
    candidate = exact + 1e-6 * noise(2, exact.shape)
    rows = [np.tile(array, (1, 11)) for array in (candidate, reference, exact)]
    judged_rows = [judge("tap", "", "local", RULE, *row) for row in zip(*rows, strict=True)]
    assert all(verdict.passed for verdict in judged_rows)
    assert any(verdict.ratio32 > RULE.ratio32 for verdict in judged_rows)
    wrong = (judge("tap", "", "local", RULE, row[0] * 1.001, *row[1:]) for row in zip(*rows, strict=True))
    assert not any(verdict.passed for verdict in wrong)


@pytest.mark.parametrize(
    ("ratio64", "ratio32", "nearest"), [(1.0, 1.9, "ratio32"), (1.9, 1.0, "ratio64"), (np.nan, 1.0, "ratio32")]
)
def test_the_nearest_of_both_ratios_counts(ratio64, ratio32, nearest):
    verdict = Verdict("x", "", "local", True, "", (2,), 4.0, 2.0, ratio64=2 * ratio64, ratio32=ratio32)
    most = np.nanmax([ratio64, ratio32])
    assert (verdict.nearest, verdict.used) == (nearest, most / 2)
    assert (verdict.ratio, verdict.bound) == ((2 * most, 4.0) if nearest == "ratio64" else (most, 2.0))
    nothing = Verdict("x", "", "local", True, "", (2,), 4.0, 2.0)
    assert nothing.nearest == ""
    assert math.isnan(nothing.used)
    both = dataclasses.replace(verdict, ratio32=0.75 * most, ratio64=1.5 * most)  # one ratio alone would choose it
    report = Report("tiny", "", [], 3, [nothing, both, verdict])
    assert report.nearest is verdict
    assert report.worst("ratio32") == max(ratio32, 0.75 * most)


def with_mask(array: np.ndarray, value: float) -> np.ndarray:
    masked = array.copy()
    masked[:, 8:] = value
    return masked


@pytest.mark.parametrize("value", [-np.inf, -1e9, float(np.finfo(np.float32).min)])
def test_what_is_masked_alike_hides_nothing(value):
    reference, exact = with_mask(REFERENCE, value), with_mask(EXACT, value)
    right = judged(with_mask(rounded(EXACT, 7, 1.1), value), reference, exact)
    plain = judged(rounded(EXACT, 7, 1.1)[:, :8], REFERENCE[:, :8], EXACT[:, :8])
    assert right.passed
    assert (right.floor, right.ratio32) == pytest.approx((plain.floor, plain.ratio32))
    assert right.shape == REFERENCE.shape

    wrong = with_mask(rounded(EXACT, 7, 1.1), value)
    wrong[1, 3, 2] += np.float32(0.01)
    found = judged(wrong, reference, exact)
    assert not found.passed
    assert found.where == (1, 3, 2)


def test_the_lowest_double_masks_as_the_lowest_single_does():
    reference = with_mask(REFERENCE, np.finfo(np.float32).min)
    exact = with_mask(EXACT, np.finfo(np.float64).min)
    assert judged(with_mask(rounded(EXACT, 7, 1.1), np.finfo(np.float32).min), reference, exact).passed


@pytest.mark.parametrize(("ours", "theirs"), [(-np.inf, np.inf), (-1e9, -2e9), (-np.inf, -1e9), (-1e9, 1e9)])
def test_another_mask_fails(ours, theirs):
    reference, exact = with_mask(REFERENCE, ours), with_mask(EXACT, ours)
    assert not judged(with_mask(rounded(EXACT, 7), theirs), reference, exact).passed
    short = with_mask(REFERENCE, ours)
    short[0, 8, 0] = 1
    assert not judged(short, reference, exact).passed


def test_a_reference_of_nan_is_no_mask():
    reference, exact = with_mask(REFERENCE, np.nan), with_mask(EXACT, np.nan)
    assert "the reference itself is not finite" in judged(reference, reference, exact).reason
