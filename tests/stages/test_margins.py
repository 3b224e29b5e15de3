"""Margins of decisions: noise well below a margin changes none, noise well above the nearest one does."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from fixtures import cases, margins
from parity.base.draws import normal, uniform
from parity.contract import Tap
from spec.config import SamplingConfig

SAMPLINGS = {
    "greedy": SamplingConfig(),
    "draw": SamplingConfig(min_p=0.0, top_p=1.0),
    "min-p": SamplingConfig(min_p=0.05),
    "top-p": SamplingConfig(min_p=0.0, top_p=0.9),
    "both": SamplingConfig(min_p=0.02, top_p=0.8),
}
TAP = Tap("t3.tokens.5.token", "t3.tokens.5.token", "b n")
WIDTH = 400


def chosen(scores: np.ndarray, sampling: SamplingConfig, number: float | None) -> int:
    """The reference's token for scores `(1, V)`, in float64: no guidance, no penalty, no temperature."""
    sample = importlib.import_module("reference.t3.sampling").sample
    plain = replace(sampling, guidance=0.0, repetition_penalty=1.0, temperature=1.0)
    return sample(torch.from_numpy(np.concatenate([scores, scores])), [0], plain, number)


def left(scores: np.ndarray, sampling: SamplingConfig) -> dict[str, int]:
    """How many of the scores `(1, V)` either cut of the reference leaves, in float64."""
    module = importlib.import_module("reference.t3.sampling")
    after = module.cut_min_p(torch.from_numpy(scores), sampling.min_p)
    return {
        "min_p": int(module.staying(after)),
        "top_p": int(module.staying(module.cut_top_p(after, sampling.top_p))),
    }


def case_of(sampling: SamplingConfig, number: float | None):
    """A case that says how token 5 is chosen."""
    case = cases.load("tiny-t3")
    inputs = {name: array for name, array in case.inputs.items() if name != "uniforms"}
    uniforms = {} if number is None else {"uniforms": np.full(6, number)}
    return replace(case, inputs=inputs | uniforms, options=dict(case.options) | {"sampling": sampling})


@pytest.mark.parametrize("how", SAMPLINGS)
def test_a_tenth_of_the_margin_changes_no_token_and_many_times_it_changes_some(how):
    sampling, changed = SAMPLINGS[how], 0
    for trial in range(40):
        scores = 3 * normal(how, f"scores {trial}", (1, WIDTH)).astype(np.float64)
        number = None if how == "greedy" else float(uniform(how, f"number {trial}", (1,))[0])
        ((margin,),) = margins.token(case_of(sampling, number), TAP, scores.copy())
        assert margin > 0
        token = chosen(scores, sampling, number)
        for direction in range(5):
            noise = normal(how, f"noise {trial} {direction}", (1, WIDTH)).astype(np.float64)
            assert chosen(scores + 0.1 * margin * noise, sampling, number) == token
            changed += chosen(scores + 20 * margin * noise, sampling, number) != token
    assert changed > 40


@pytest.mark.parametrize(("cut", "how"), [("min_p", "min-p"), ("top_p", "top-p"), ("min_p", "both"), ("top_p", "both")])
def test_a_tenth_of_a_cuts_margin_changes_no_count_and_many_times_it_changes_some(cut, how):
    sampling, changed = SAMPLINGS[how], 0
    for trial in range(40):
        scores = 3 * normal(how, f"scores {trial}", (1, WIDTH)).astype(np.float64)
        (margin,) = getattr(margins, cut)(case_of(sampling, 0.5), TAP, scores.copy())
        assert 0 < margin < np.inf
        for direction in range(5):
            noise = normal(how, f"noise {trial} {direction}", (1, WIDTH)).astype(np.float64)
            assert left(scores + 0.1 * margin * noise, sampling)[cut] == left(scores, sampling)[cut]
            changed += left(scores + 20 * margin * noise, sampling)[cut] != left(scores, sampling)[cut]
    assert changed > 40


def test_two_tokens_at_the_edge_of_top_p_are_a_tie_whichever_of_them_stays():
    sampling = SamplingConfig(min_p=0.0, top_p=0.7)
    scores = np.log(np.array([[0.2, 0.2, 0.6]]))
    scores[0, 1] += 1e-12
    assert left(scores, sampling)["top_p"] == 2
    assert margins.top_p(case_of(sampling, 0.5), TAP, scores).item() < 1e-11
    assert margins.token(case_of(sampling, 0.5), TAP, scores).item() < 1e-11


def test_the_index_of_a_token_is_read_from_either_name():
    scores = 3 * normal("margins", "scores", (1, WIDTH)).astype(np.float64)
    case = case_of(SAMPLINGS["draw"], None)
    case = replace(case, inputs=case.inputs | {"uniforms": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])})
    found = {
        name: margins.token(case, Tap(name, name.partition("[")[0], "b n"), scores).item()
        for name in ("t3.tokens.3.token", "t3.token[token=3]", "t3.tokens.4.token")
    }
    assert found["t3.tokens.3.token"] == found["t3.token[token=3]"] != found["t3.tokens.4.token"]


def test_a_greedy_margin_is_that_of_the_two_highest():
    assert margins.token(case_of(SamplingConfig(), None), TAP, np.array([[1.0, 5.0, 4.0]])) == pytest.approx(2**-0.5)


def test_a_token_is_as_near_to_another_as_its_nearest_digit_is_to_rounding():
    bound = np.array([[[0.9, -0.9, 0.0], [0.4, 0.0, 0.9], [-0.52, 0.9, 0.1]]])
    np.testing.assert_allclose(margins.rounding(cases.load("tiny"), TAP, bound), [[0.4, 0.1, 0.02]])


def test_a_frame_is_as_near_to_the_other_voicing_as_its_f0_to_the_threshold():
    np.testing.assert_allclose(
        margins.voicing(cases.load("tiny"), TAP, np.array([[9.5, 10.0, 200.0]])), [[0.5, 0, 190]]
    )


def test_a_place_is_as_near_to_another_as_its_attention_to_the_second_highest():
    attention = np.array([[0.9, 0.0, 0.0], [0.2, 0.5, 0.4]])
    assert margins.place(cases.load("tiny-t3-watched"), TAP, attention) == pytest.approx(0.1 / 2**0.5)


def test_what_is_found_is_as_near_to_the_contrary_as_what_is_measured_to_its_limit():
    measures = np.array([0.1, 0.4, 5.5, 4.0])
    np.testing.assert_allclose(margins.limits(cases.load("tiny-t3-watched"), TAP, measures), [0, 0.1, 0.5, 1])
