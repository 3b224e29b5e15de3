"""parity.judge.slices: a fault in one frame, channel or head, which the RMSE of a whole tap cannot see."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from parity import contract as contracts
from parity.base.marginals import Marginals
from parity.base.metrics import difference
from parity.base.walk import PIECE
from parity.contract import Rule
from parity.diagnose.conclude import alone
from parity.judge.floor import half_ulp_rms
from parity.judge.slices import LEAST, deviations, largest
from parity.judge.verdict import Verdict, judge
from tests.meta import toy

RULE = Rule("*", "*", ratio64=2.0, ratio32=2.0, why="test")
SHAPE = (1, 40, 64)


def noise(key: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


EXACT, CANDIDATE = noise(0), noise(0) + 1e-6 * noise(2)
REFERENCE = EXACT + 1e-6 * noise(1)


def judged(candidate: np.ndarray, reference=REFERENCE, exact=EXACT, rule=RULE, axes="b t c", **more) -> Verdict:
    return judge("tap", "", "local", rule, candidate, reference, exact, axes=axes, **more)


def planted(axis: int, index: int, floors: float, candidate: np.ndarray = CANDIDATE) -> np.ndarray:
    """The candidate with an error of so many times 1e-6 in one slice, with random signs."""
    wrong = candidate.copy()
    place = (slice(None),) * axis + (index,)
    wrong[place] += floors * 1e-6 * np.sign(noise(9, wrong[place].shape))
    return wrong


@pytest.mark.parametrize(("axis", "name", "index", "length"), [(1, "t", 17, 40), (2, "c", 63, 64)])
def test_a_fault_in_one_slice_fails_and_the_slice_is_named(axis, name, index, length):
    verdict = judged(planted(axis, index, 12.0))
    assert not verdict.passed
    assert (verdict.ratio32 < 2.5, verdict.slice) == (True, (name, index, length))
    assert f"slice {name} {index} of {length}: ratio64 1" in verdict.reason
    assert (verdict.nearest, verdict.headroom < 1) == ("ratio_slice", True)
    small = judged(planted(axis, index, 0.5))
    assert (small.passed, small.headroom > 1) == (True, True)
    assert small.ratio_slice < 0.5 * small.bound_ratio_slice


def test_the_diagnosis_says_what_the_axis_is():
    """`t` is time in the toy's contract. Where the whole tap is wrong, no slice is wrong alone."""
    contract = contracts.load(Path(toy.__file__).with_name("contract.toml"))
    verdict = judged(planted(1, 17, 12.0), rule=dataclasses.replace(RULE, ratio32=3.0, ratio64=3.0))
    assert alone(contract, verdict).startswith("only time 17 of 40 is wrong, by 1")
    assert alone(contract, judged(CANDIDATE)) == alone(contract, judged(2 * CANDIDATE)) == ""


def test_an_axis_without_a_name_has_its_number():
    assert judged(planted(1, 17, 12.0), axes="").slice == ("axis 1", 17, 40)


def test_one_slice_of_an_axis_is_the_tap_itself():
    exact = noise(0, (1, 1))
    verdict = judged(exact, exact, exact, axes="b t")
    assert (verdict.slice, verdict.passed, math.isnan(verdict.ratio_slice)) == ((), True, True)


def test_a_loud_slice_is_measured_in_its_own_floors():
    """A channel with a hundred times the noise: the tap's floor is nearly its own, and the others' is far below."""
    loud = np.ones(64)
    loud[5] = 100
    reference, candidate = EXACT + 1e-6 * loud * noise(1), EXACT + 1e-6 * loud * noise(2)
    clean = judged(candidate, reference)
    assert (clean.passed, clean.headroom > 1.2) == (True, True)
    assert not judged(planted(2, 5, 1200, candidate), reference).passed


def test_what_a_row_shares_is_no_fault():
    """One rounding for all 64 channels of each of 40 frames, drawn anew: 2000 taps without a fault."""
    exact = noise(3, (2000, 40, 64))
    reference = exact + 1e-6 * noise(4, (2000, 40, 1))
    candidate = exact + 1e-6 * noise(5, (2000, 40, 1))
    verdicts = [judged(*rows, axes="t c") for rows in zip(candidate, reference, exact, strict=True)]
    assert not [verdict.reason for verdict in verdicts if "slice" in verdict.reason]
    assert max(verdict.ratio_slice for verdict in verdicts) > LEAST  # without the sharing, they would be near 1


@pytest.mark.parametrize("floors", [1.0, 1.9])
def test_a_port_that_rounds_more_everywhere_has_wider_bounds(floors):
    candidate = EXACT + floors * 1e-6 * noise(2)
    verdict = judged(candidate, rule=dataclasses.replace(RULE, ratio32=3.0))
    assert verdict.passed
    expected = max(1.0, verdict.ratio64 / 1.5)
    assert verdict.bound_ratio_slice / judged(CANDIDATE).bound_ratio_slice == pytest.approx(expected, rel=0.1)


def test_a_frame_of_zeros_must_stay_zero():
    """Padding has no noise of its own: the tap's floor counts."""
    arrays = [array.copy() for array in (CANDIDATE, REFERENCE, EXACT)]
    for array in arrays:
        array[:, 30:] = 0
    assert judged(*arrays).passed
    wrong = arrays[0].copy()
    wrong[:, 33] = 12e-6
    verdict = judged(wrong, *arrays[1:])
    assert (verdict.passed, verdict.slice) == (False, ("t", 33, 40))


def test_what_is_masked_does_not_count():
    """Scores of a causal mask: the first row has one value that is judged, and its error is that value's."""
    exact = np.where(np.tri(64, dtype=bool), noise(6, (64, 64)), -1e9)
    reference, candidate = (np.where(exact > -1e8, exact + 1e-6 * noise(key, (64, 64)), -1e9) for key in (7, 8))
    assert judged(candidate, reference, exact, axes="t k").passed
    wrong = candidate.copy()
    wrong[0, 0] = exact[0, 0] + 12e-6
    verdict = judged(wrong, reference, exact, axes="t k")
    assert (verdict.passed, verdict.slice) == (False, ("t", 0, 64))
    full = judged(CANDIDATE, axes="b t c").bound_ratio_slice
    assert verdict.bound_ratio_slice > full, "one value has the bound of one, not of a row of 64"


def test_the_noise_of_another_run_is_that_of_the_run():
    """A reference with rounded weights has other noise than the one in float32: one channel of it is far off."""
    rounded, candidate = REFERENCE.copy(), CANDIDATE.copy()
    for array in (rounded, candidate):
        array[..., 7] += 4e-4
    given = {"floor": float(np.sqrt(np.mean((rounded - EXACT) ** 2)))}
    assert not judged(candidate, **given).passed
    assert judged(candidate, **given, run=rounded).passed


def test_in_half_precision_no_slice_is_judged():
    rule = dataclasses.replace(RULE, ratio32=3.0, ratio64=3.0)  # 12 floors in one frame of 40 are 2.2 of the tap
    assert not judged(planted(1, 17, 12.0), rule=rule).passed
    verdict = judged(planted(1, 17, 12.0), rule=rule, dtype="float16")
    assert (verdict.passed, verdict.slice) == (True, ())


def test_without_float64_no_slice_is_judged():
    verdict = judge("tap", "", "local", RULE, CANDIDATE, REFERENCE, None, floor=1e-6, axes="b t c")
    assert (verdict.slice, math.isnan(verdict.ratio_slice)) == ((), True)


def test_one_rounding_of_a_large_value_is_its_floor():
    exact = np.full((1, 400), 1e-3)
    exact[0, 7] = 1.0
    reference, candidate = exact.copy(), exact.copy()
    candidate[0, 7] += 3 * half_ulp_rms("float32")  # in floors of the tap: 60
    assert judged(candidate, reference, exact, axes="b n").passed


def test_bounds_follow_the_number_of_slices_and_of_values():
    few, many = deviations(10, 10_000)[0], deviations(100_000, 10_000)[0]
    assert (few, many) == (pytest.approx(4.89, abs=0.01), pytest.approx(6.47, abs=0.01))
    assert deviations(40, 9)[1] > 12 > deviations(40, 10)[1]
    assert largest(np.array([0.0, 256.0, 1e9]), 6.0) == pytest.approx([6.0, 1 + 5 / math.sqrt(2), 1.0], abs=0.01)
    assert judged(noise(0, (2, 200, 200)), noise(0, (2, 200, 200)), noise(0, (2, 200, 200))).bound_ratio_slice >= LEAST


@pytest.mark.parametrize(
    "shape", [(3, 1, 5, 7), (2 * PIECE + 3,), (3, PIECE + 1), (70, 300, 2), (), (1, 1), (9, 700, 700)]
)
def test_marginals_are_sums_over_all_other_axes(shape):
    candidate, reference, exact = (noise(key, shape) for key in (1, 2, 3))
    sums = difference(candidate, reference, exact).sums
    assert sums.axes == [axis for axis, length in enumerate(shape) if length > 1]
    for axis in sums.axes:
        others = tuple(each for each in range(len(shape)) if each != axis)
        for row, array in zip(sums.of(axis), (candidate - exact, reference - exact, exact), strict=True):
            np.testing.assert_allclose(row, np.sum(array**2, axis=others), rtol=1e-12)
    turned = [np.ascontiguousarray(array.T).T for array in (candidate, reference, exact)]
    again = difference(*turned).sums
    np.testing.assert_allclose(again.rows, sums.rows, rtol=1e-12)
    assert Marginals(1, (1, 1)).axes == []
    assert [Marginals(1, (3, 1, 2)).place(column) for column in range(5)] == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]
