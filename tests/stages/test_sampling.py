"""Logits to a token, on each side: every processor against its definition in NumPy."""

import importlib

import numpy as np
import pytest

from parity.base.draws import integers, normal, uniform
from parity.base.metrics import rms, rmse
from parity.capture.runner import adapter
from spec.config import SamplingConfig

SIDES = {"reference": "torch", "mlx_impl": "mlx"}
LOGITS = 3 * normal("sampling", "logits", (2, 500))


class Side:
    """A side's functions on NumPy arrays."""

    def __init__(self, name: str):
        self.module = importlib.import_module(f"{name}.t3.sampling")
        self.adapter = adapter(SIDES[name])
        framework = importlib.import_module({"torch": "torch", "mlx": "mlx.core"}[SIDES[name]])
        self.own = framework.tensor if name == "reference" else framework.array

    def call(self, function: str, array, *rest):
        value = getattr(self.module, function)(self.own(np.asarray(array, np.float32)), *rest)
        return value if isinstance(value, int) else self.adapter.to_numpy(value)


@pytest.fixture(params=SIDES)
def side(request) -> Side:
    return Side(request.param)


def softmax(scores) -> np.ndarray:
    weights = np.exp(np.asarray(scores, np.float64) - np.max(scores))
    return weights / weights.sum()


def test_guidance_goes_from_the_unconditional_past_the_conditional(side):
    assert side.call("guide", [[3.0, 1.0], [1.0, 2.0]], 0.5).tolist() == [[4.0, 0.5]]
    assert side.call("guide", [[3.0, 1.0], [1.0, 2.0]], 0.0).tolist() == [[3.0, 1.0]]


def test_penalty_lowers_each_previous_token_once(side):
    scores = [[2.0, -2.0, 0.0, 5.0]]
    assert side.call("penalize", scores, [0, 1, 1, 0, 2, 0], 2.0).tolist() == [[1.0, -4.0, 0.0, 5.0]]
    assert side.call("penalize", scores, [3], 0.5).tolist() == [[2.0, -2.0, 0.0, 10.0]]
    assert side.call("penalize", scores, [0, 1, 2, 3], 1.0).tolist() == scores


@pytest.mark.parametrize("min_p", [0.02, 0.3, 1.0])
def test_min_p_cuts_what_is_below_its_part_of_the_highest(side, min_p):
    scores = LOGITS[:1]
    kept = side.call("cut_min_p", scores, min_p)
    probabilities = softmax(scores)
    keep = probabilities >= min_p * probabilities.max()
    assert 0 < keep.sum() < keep.size
    assert np.array_equal(kept, np.where(keep, scores, -np.inf))


@pytest.mark.parametrize("top_p", [0.0, 0.3, 0.9, 0.999])
def test_top_p_keeps_the_fewest_that_reach_it(side, top_p):
    scores = LOGITS[:1]
    kept = side.call("cut_top_p", scores, top_p)
    order = np.argsort(-scores[0])
    reached = np.cumsum(softmax(scores)[0][order])
    count = max(1, int((reached < top_p).sum()) + 1)
    keep = np.isin(np.arange(scores.size), order[:count])[None]
    assert np.array_equal(kept, np.where(keep, scores, -np.inf))


def test_cuts_that_are_off_change_nothing(side):
    for function, value in (("cut_min_p", 0.0), ("cut_top_p", 1.0)):
        kept = side.call(function, LOGITS[:1], value)
        assert np.array_equal(kept, LOGITS[:1])


@pytest.mark.parametrize(
    ("number", "token"),
    [(0.0, 1), (0.1, 1), (0.24, 1), (0.25, 3), (0.7, 3), (1 - 2**-24, 4)],  # an interval's end is the next token's
)
def test_draw_inverts_the_cumulative_probabilities(side, number, token):
    assert side.call("draw", [[0.0, 0.25, 0.0, 0.5, 0.25, 0.0]], number) == token


def test_draw_never_takes_a_token_of_probability_zero(side):
    """Nor when the probabilities, rounded, sum to less than 1."""
    for scale in (1.0, 1 - 2**-20, 1 + 2**-20):
        probabilities = np.array([[0.0, 0.1, 0.0, 0.9, 0.0]]) * scale
        drawn = {side.call("draw", probabilities, number) for number in (0.0, 1e-9, 0.1, 0.5, 1 - 2**-24)}
        assert drawn == {1, 3}


@pytest.mark.parametrize("number", [-1e-9, 1.0, float("nan")])
def test_draw_refuses_a_number_that_is_not_below_one(side, number):
    with pytest.raises(ValueError, match="expected one from 0 to below 1"):
        side.call("draw", [[0.5, 0.5]], number)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("number", [None, 0.5])
def test_logits_that_are_no_numbers_are_refused(side, wrong, number):
    logits = np.array([[1.0, wrong, 2.0], [1.0, 0.0, 2.0]])
    with pytest.raises(ValueError, match="guided logits hold NaN or infinite"):
        side.call("sample", logits, [0], SamplingConfig(), number)


def test_draws_are_as_frequent_as_probable(side):
    probabilities = softmax(LOGITS[0, :5])[None]
    drawn = [side.call("draw", probabilities, number) for number in uniform("sampling", "many", (2000,))]
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 2000, probabilities[0], atol=0.03)


def test_greedy_choice_is_the_highest_after_the_penalty(side):
    logits = np.array([[5.0, 4.5, 1.0], [5.0, 4.5, 1.0]])
    config = SamplingConfig(guidance=0.0, temperature=1.0)
    assert side.call("sample", logits, [2], config, None) == 0
    assert side.call("sample", logits, [0], config, None) == 1


def test_softmax_of_the_mlx_side_is_as_exact_as_the_references():
    scores = 4 * normal("sampling", "softmax", (1, 8194))
    scores[0, ::7] = -np.inf
    exact = softmax(scores)
    module = importlib.import_module("mlx_impl.ops.summation")
    own = importlib.import_module("mlx.core").array(scores)
    found = np.array(module.softmax(own))
    torch = importlib.import_module("torch")
    floor = rmse(torch.from_numpy(scores).softmax(dim=-1).numpy(), exact)
    assert (found[0, ::7] == 0).all()
    assert rmse(found, exact) <= 2 * max(floor, 2**-24 / 3**0.5 * rms(exact))


@pytest.mark.parametrize("case", range(3))
def test_both_sides_choose_alike(case):
    logits = 3 * normal("sampling", f"alike {case}", (2, 8194))
    previous = [6561, *integers("sampling", f"previous {case}", (50,), 6561).tolist()]
    config = SamplingConfig(top_p=0.8)
    for number in [None, *uniform("sampling", f"numbers {case}", (10,)).tolist()]:
        theirs, ours = (Side(name).call("sample", logits, previous, config, number) for name in SIDES)
        assert ours == theirs
