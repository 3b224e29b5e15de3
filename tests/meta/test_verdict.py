"""parity.verdict: rounding passes, and whatever is more than rounding fails and says by how much."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.contract import Rule
from parity.metrics import rmse
from parity.verdict import Verdict, absent, judge

RULE = Rule("*", "*", truth=2.0, distance=2.0, why="test")


def noise(key: int, shape: tuple[int, ...] = (2, 16, 8)) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


def rounded(exact: np.ndarray, key: int, floors: float = 1.0) -> np.ndarray:
    """A float32 run: the exact value with an error of `floors` times 1e-6."""
    return (exact + floors * 1e-6 * noise(key, exact.shape)).astype(np.float32)


EXACT = noise(0)
REFERENCE = rounded(EXACT, 1)


def judged(candidate: np.ndarray, reference: np.ndarray = REFERENCE, exact: np.ndarray | None = EXACT, **kw) -> Verdict:
    return judge("tap", "", "created", RULE, candidate, reference, exact, **kw)


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
    assert "distance" in verdict.reason
    assert "truth" in verdict.reason


def test_every_number_is_the_one_it_is_called():
    candidate = rounded(EXACT, 7, 1.1)
    verdict = judged(candidate)
    floor = rmse(REFERENCE, EXACT)
    assert verdict.floor == floor
    assert verdict.distance == pytest.approx(rmse(candidate, REFERENCE) / floor)
    assert verdict.truth == pytest.approx(rmse(candidate, EXACT) / floor)
    assert verdict.relative == pytest.approx(verdict.rmse / np.sqrt(np.mean(REFERENCE.astype(np.float64) ** 2)))
    assert verdict.headroom == pytest.approx(2.0 / max(verdict.distance, verdict.truth))
    assert (verdict.shape, verdict.bound_truth, verdict.bound_distance) == ((2, 16, 8), 2.0, 2.0)
    assert verdict.as_dict()["headroom"] == verdict.headroom
    assert verdict.as_dict()["relative"] == verdict.relative


def test_each_bound_is_judged_by_itself():
    nearer = dataclasses.replace(RULE, truth=0.5)
    assert judge("tap", "", "created", nearer, REFERENCE, REFERENCE, EXACT).reason == "truth 1 > 0.5"
    stricter = dataclasses.replace(RULE, distance=0.5)
    assert judge("tap", "", "created", stricter, EXACT, REFERENCE, EXACT).reason == "distance 1 > 0.5"


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
    assert verdict.headroom == pytest.approx(2.0 / verdict.distance)
    assert np.isnan(verdict.truth)
    assert not judged(rounded(EXACT, 5, 10.0), exact=None, floor=floor).passed


@pytest.mark.parametrize("floor", [None, 0.0, float("nan")])
def test_without_a_floor_an_error_of_the_floor_fails(floor):
    assert not judged(rounded(EXACT, 5), exact=None, floor=floor).passed


@pytest.mark.parametrize(
    ("tap", "branch", "label"),
    [("mu", "", "mu"), ("mu", "cond", "mu[cond]"), ("x[step=4]", "", "x[step=4]"), ("x[step=4]", "c", "x[step=4,c]")],
)
def test_a_label_names_tap_and_branch(tap, branch, label):
    assert judge(tap, branch, "created", RULE, REFERENCE, REFERENCE, EXACT).label == label


def test_an_absent_tap_fails_and_has_no_numbers():
    none_allowed = Rule("", "*", 0.0, 0.0, "undeclared")
    verdict = absent("mu", "inherited", none_allowed, "the reference has no such tap")
    assert (verdict.passed, verdict.label, verdict.headroom) == (False, "mu", 0.0)
    assert verdict.as_dict()["reason"] == "the reference has no such tap"
