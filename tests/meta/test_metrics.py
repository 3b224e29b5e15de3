"""parity.base.metrics against NumPy, written out by hand, and against what the definitions say."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.base.metrics import PIECE, difference, rms, rmse

finite = st.floats(-1e6, 1e6, width=32)
arrays = hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5), elements=finite)


def test_by_hand():
    reference = np.array([[1.0, -2.0], [2.0, 4.0]], dtype=np.float32)
    candidate = np.array([[1.0, -2.0], [2.5, 1.0]], dtype=np.float32)
    found = difference(candidate, reference)
    assert rms(reference) == 2.5
    assert found.rmse == rmse(candidate, reference) == pytest.approx(np.sqrt((0.25 + 9) / 4), rel=1e-15)
    assert (found.max_abs, found.where, found.nonfinite) == (3.0, (1, 1), 0)
    assert found.gain == pytest.approx((1 + 4 + 5 + 4) / 25, rel=1e-15)
    assert found.cosine == pytest.approx(14 / np.sqrt(25 * (1 + 4 + 6.25 + 1)), rel=1e-15)


@given(arrays, st.data())
def test_equals_numpy(reference, data):
    candidate = data.draw(hnp.arrays(np.float32, reference.shape, elements=finite))
    found = difference(candidate, reference)
    delta = candidate.astype(np.float64) - reference.astype(np.float64)
    assert found.rmse == pytest.approx(np.sqrt(np.mean(delta**2)), rel=1e-12)
    assert found.rmse == pytest.approx(rmse(candidate, reference), rel=1e-12)
    assert found.max_abs == np.abs(delta).max() == abs(delta[found.where])


@pytest.mark.parametrize("shape", [(3, 5, 7), (2 * PIECE + 3,), (3, PIECE + 1), (2, 300, 70), (70, 300, 2), (1, 1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_one_pass_in_pieces_equals_whole_arrays(shape, order):
    def turned(array):
        axes = [axis for axis in order if axis < array.ndim]
        return np.ascontiguousarray(array.transpose(axes)).transpose(np.argsort(axes))

    rng = np.random.Generator(np.random.Philox(key=3))
    exact, noise, error = rng.standard_normal((3, *shape))
    reference = (exact + 1e-3 * noise).astype(np.float32)
    candidate = (reference + 1e-3 * error).astype(np.float32)
    found = difference(candidate, turned(reference), turned(exact))
    assert found == difference(turned(candidate), reference, exact), "the order in memory counts"
    wide = reference.astype(np.float64)
    delta = np.abs(candidate - wide)
    assert (found.max_abs, found.where) == (delta.max(), np.unravel_index(np.argmax(delta), shape))
    assert [found.rmse, found.noise, found.against_exact, found.reference_rms] == pytest.approx(
        [rms(delta), rmse(reference, exact), rmse(candidate, exact), rms(reference)], rel=1e-12
    )
    assert found.gain == pytest.approx(np.vdot(candidate, wide) / np.vdot(wide, wide), rel=1e-9)


def test_the_worst_is_the_first_of_equals_and_a_nan_before_all():
    reference, candidate = np.zeros((2, 2 * PIECE), np.float32), np.zeros((2, 2 * PIECE), np.float32)
    candidate[0, PIECE + 1] = candidate[1, 5] = -3
    assert difference(candidate, reference).where == (0, PIECE + 1)
    candidate[1, 7] = candidate[1, PIECE] = np.nan
    found = difference(candidate, reference)
    assert (found.where, found.nonfinite) == ((1, 7), 2)
    assert np.isnan(found.max_abs)


def test_an_exact_result_of_another_shape_is_not_compared():
    with pytest.raises(ValueError, match="cannot compare shapes"):
        difference(np.ones(3), np.ones(3), np.ones(4))


@given(arrays)
def test_a_value_against_itself(array):
    found = difference(array, array.copy())
    assert (found.rmse, found.max_abs, found.nonfinite) == (0.0, 0.0, 0)
    if array.any():
        assert (found.gain, found.cosine) == (pytest.approx(1.0), pytest.approx(1.0))


@given(arrays.filter(lambda array: rms(array) > 1e-3), st.floats(0.5, 2.0))
def test_gain_is_the_factor(array, factor):
    found = difference(array.astype(np.float64) * factor, array)
    assert found.gain == pytest.approx(factor, rel=1e-9)
    assert found.rmse == pytest.approx(abs(factor - 1) * rms(array), rel=1e-6, abs=1e-9)


def test_memory_order_does_not_count():
    array = np.random.Generator(np.random.Philox(key=1)).standard_normal((3, 4, 5), dtype=np.float32)
    other = array + np.float32(0.5)
    assert difference(other, np.asfortranarray(array)) == difference(other, array)
    assert difference(np.asfortranarray(other), array) == difference(other, array)


def test_float32_is_widened_first():
    huge = np.full(3, 3e38, dtype=np.float32)
    assert rms(huge) == pytest.approx(3e38, rel=1e-6)  # its square overflows float32
    assert difference(-huge, huge).rmse == pytest.approx(6e38, rel=1e-6)
    near = np.nextafter(np.float32(1), np.float32(2))
    assert rmse(np.array([near]), np.array([1], dtype=np.float32)) == 2.0**-23


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_counted(bad):
    reference = np.ones((2, 3), dtype=np.float32)
    candidate = reference.copy()
    candidate[0, 1] = candidate[1, 2] = bad
    with np.errstate(invalid="ignore"):
        found = difference(candidate, reference)
    assert found.nonfinite == 2
    assert not np.isfinite(found.rmse)


def test_a_zero_reference_has_no_gain():
    found = difference(np.ones(3, dtype=np.float32), np.zeros(3, dtype=np.float32))
    assert (found.rmse, np.isnan(found.gain), np.isnan(found.cosine)) == (1.0, True, True)


@pytest.mark.parametrize(("candidate", "reference"), [((2, 3), (3, 2)), ((6,), (2, 3)), ((1, 3), (3,)), ((0,), (0,))])
def test_nothing_is_broadcast_and_nothing_empty_compared(candidate, reference):
    with pytest.raises(ValueError, match="cannot compare shapes"):
        difference(np.zeros(candidate), np.zeros(reference))
