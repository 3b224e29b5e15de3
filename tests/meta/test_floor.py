"""parity.judge.floor, parity.judge.ties: what rounding alone does to values, and to decisions that are made on them."""

import numpy as np
import pytest

from parity.base.metrics import rmse
from parity.contract import Decision, Tap
from parity.judge.floor import TINY, at_least, half_ulp_rms, noise_floor
from parity.judge.ties import TIE, Decisions, margins, tied, tied_in_double
from tests.meta import toy

DTYPES = {"float32": np.float32, "float16": np.float16}
VALUES = np.random.default_rng(1).standard_normal((4, 300))


@pytest.mark.parametrize("dtype", DTYPES)
def test_half_an_ulp_is_what_rounding_costs(dtype):
    # Values just above a power of two: there a unit in the last place is largest against the value.
    exact = 1 + np.random.Generator(np.random.Philox(key=2)).random(1 << 16) * 2.0**-8
    assert rmse(exact.astype(DTYPES[dtype]), exact) == pytest.approx(half_ulp_rms(dtype), rel=0.02)


def test_a_floor_is_what_was_measured():
    run = VALUES + 1e-6 * np.random.default_rng(2).standard_normal(VALUES.shape)
    assert noise_floor(run, VALUES) == rmse(run, VALUES) == at_least(rmse(run, VALUES), 1.0)


def test_a_run_that_happens_to_be_exact_has_the_floor_of_one_rounding():
    assert noise_floor(VALUES, VALUES) == pytest.approx(half_ulp_rms("float32"), rel=0.05)
    assert noise_floor(VALUES, VALUES, "bfloat16") == pytest.approx(2**16 * noise_floor(VALUES, VALUES))
    assert noise_floor(np.zeros(3), np.zeros(3)) == TINY


@pytest.mark.parametrize("exact", [np.arange(3), np.array([1.0, np.nan]), np.array([np.inf, 1.0])])
def test_what_is_not_finite_or_not_real_has_no_floor(exact):
    assert np.isnan(noise_floor(exact, exact))


def above(case, tap, values):
    """The margin of `values > 1`."""
    return values - 1


DECISION, TAP = Decision("over", "values", f"{__name__}:above"), Tap("over", "over", "c")


def test_a_tie_is_a_decision_within_rounding():
    case, values = toy.load("tiny"), np.array([1 + 9e-7, 1 - 9e-7, 1 + 11e-7, 3.0])
    found = margins(DECISION, case, TAP, values, 1e-7)
    assert found == pytest.approx([9, 9, 11, 2e7], rel=1e-6)
    assert tied(found).tolist() == [True, True, False, False]
    assert not tied(np.array([np.nan, np.inf, TIE * 1.001])).any()
    assert tied_in_double(DECISION, case, TAP, values).tolist() == [False] * 4
    assert tied_in_double(DECISION, case, TAP, np.array([1 + 1e-12, 1 + 1e-9])).tolist() == [True, False]


def test_a_free_run_follows_the_reference_at_ties_alone():
    decisions, taken, own = Decisions(), np.array([1, 2, 3]), np.array([7, 8, 9])
    decisions.note("a", taken, np.array([5.0, 50.0, np.nan]))
    decisions.note("b", taken, np.array([11.0, 50.0, 12.0]))
    decisions.note("c", taken, np.array([1.0]))
    assert decisions.followed("a", own)["a"].tolist() == [1, 8, 9]
    assert decisions.followed("a", own[:2]) == decisions.followed("b", own) == decisions.followed("c", own) == {}
