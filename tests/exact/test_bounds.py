"""The bound between single precision and double accepts what rounding does and rejects what it does not."""

import numpy as np
import pytest

from tests.exact.bounds import sensitivity, ulp, within

X = np.array([0.3, -2.0, 1e-3, 7.5], np.float32)


def test_an_ulp_is_the_distance_between_neighbours() -> None:
    values = np.array([1.0, 1.999, 2.0, 1e-45, 0.0, -3e38])
    assert np.array_equal(ulp(values), np.abs(np.spacing(values.astype(np.float32))))
    assert ulp(np.array(1.0), "bfloat16") == 2**-7
    assert ulp(np.array(0.0), "float16") == 2**-24


def test_the_sizes_of_all_changes_are_added() -> None:
    """The difference of equal numbers does not move when both do, but each alone moves it."""
    moves = sensitivity(lambda x: np.asarray(x[0] - x[1]), [np.array([1.0, 1.0])])
    assert moves == pytest.approx(2 * 2.0**-23)


def test_results_of_single_precision_are_within() -> None:
    assert within(np.square(X), np.square, [X], apart=True) <= 1
    assert within(np.sum(X), lambda x: np.asarray(np.sum(x)), [X], terms=4, total=np.abs(X).sum()) <= 1


@pytest.mark.parametrize("off", [5.0, -5.0])
def test_five_ulp_of_a_result_without_inputs_are_rejected(off: float) -> None:
    value = np.array([1.5])
    assert within(value + 3 * 2.0**-23, lambda: value, []) == pytest.approx(0.75)
    with pytest.raises(AssertionError, match="times the bound"):
        within(value + off * 2.0**-23, lambda: value, [])


def test_a_wrong_epsilon_is_rejected() -> None:
    def root(x: np.ndarray) -> np.ndarray:
        return np.sqrt(x + 1e-5)

    assert within(np.sqrt(X[:1] + np.float32(1e-5)), root, [X[:1]], apart=True) <= 1
    with pytest.raises(AssertionError, match="times the bound"):
        within(np.sqrt(X[:1] + np.float32(2e-5)), root, [X[:1]], apart=True)


def test_nothing_but_infinity_stands_for_infinity_and_nothing_but_nan_for_nan() -> None:
    special = np.array([np.inf, np.nan, 1e39])
    assert within(np.array([np.inf, np.nan, np.inf]), lambda: special, []) == 0
    for wrong in ([-np.inf, np.nan, np.inf], [np.inf, 0.0, np.inf], [np.inf, np.nan, -np.inf], [3e38, np.nan, np.inf]):
        with pytest.raises(AssertionError):
            within(np.array(wrong), lambda: special, [])


def test_zero_stands_for_a_subnormal_number_only_where_a_kernel_flushes() -> None:
    tiny = np.array([1e-40])
    assert within(np.zeros(1), lambda: tiny, [], flushed=True) == 0
    with pytest.raises(AssertionError):
        within(np.zeros(1), lambda: tiny, [])
    with pytest.raises(AssertionError):
        within(np.zeros(1), lambda: np.array([2e-38]), [], flushed=True)


def test_integers_are_equal() -> None:
    assert within(np.array([1, 2]), lambda: np.array([1, 2]), []) == 0
    with pytest.raises(AssertionError):
        within(np.array([1, 3]), lambda: np.array([1, 2]), [])


def test_a_wrong_shape_is_rejected() -> None:
    with pytest.raises(AssertionError, match="shape"):
        within(np.zeros((1, 2)), lambda: np.zeros(2), [])
