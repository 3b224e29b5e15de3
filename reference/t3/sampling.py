"""Logits to a token: guidance, repetition penalty, temperature, min-p, top-p, and a draw by inverse CDF, in that order.

Upstream: the loop of `chatterbox/models/t3/t3.py` (`T3.inference`) with `RepetitionPenaltyLogitsProcessor`,
`MinPLogitsWarper` and `TopPLogitsWarper` of transformers. Its `multinomial` is replaced: the uniform number is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.config import SamplingConfig
from reference.ode import Observe, unobserved


@dataclass(frozen=True)
class Decision:
    """A chosen token, and how far the choice was from another; infinite where nothing was decided that way.

    `argmax_gap`: of the two highest scores, when greedy. `cdf_margin`: from the uniform to the nearer end of the
    token's interval, in probability. `min_p_margin`: the smallest |p / cut - 1| of any token, so about a difference of
    scores. `top_p_margin`: from the cut to the nearest cumulative probability.
    """

    token: int
    argmax_gap: float = math.inf
    cdf_margin: float = math.inf
    min_p_margin: float = math.inf
    top_p_margin: float = math.inf


def guide(logits: Tensor, guidance: float) -> Tensor:
    """Logits `(2, V)`, conditional and unconditional -> guided `(1, V)`."""
    conditional, unconditional = logits[0:1], logits[1:2]
    return conditional + guidance * (conditional - unconditional)


def penalize(logits: Tensor, previous: Sequence[int], penalty: float) -> Tensor:
    """Logits `(1, V)` with those of previous tokens lowered once, however often they occurred."""
    seen = torch.tensor(sorted(set(previous)), device=logits.device)[None]
    scores = logits.gather(1, seen)
    return logits.scatter(1, seen, torch.where(scores < 0, scores * penalty, scores / penalty))


def cut_min_p(scores: Tensor, min_p: float) -> tuple[Tensor, float]:
    """Scores `(1, V)`, -inf where the probability is below `min_p` times the highest; and the margin of that."""
    if min_p == 0:
        return scores, math.inf
    probabilities = scores.softmax(dim=-1)
    cut = min_p * probabilities.amax(dim=-1, keepdim=True)
    margin = (probabilities.double() / cut.double() - 1).abs().min().item()
    return scores.masked_fill(probabilities < cut, -math.inf), margin


def cut_top_p(scores: Tensor, top_p: float) -> tuple[Tensor, float]:
    """Scores `(1, V)`, -inf where the least probable tokens stay within 1 - `top_p` together; its margin."""
    if top_p == 1:
        return scores, math.inf
    ascending, order = scores.sort(dim=-1)
    cumulative = ascending.softmax(dim=-1).cumsum(dim=-1)
    removed = cumulative <= 1 - top_p
    removed[:, -1] = False  # the most probable token always stays
    margin = (cumulative[:, :-1].double() - (1 - top_p)).abs().min().item()
    return scores.masked_fill(removed.scatter(1, order, removed), -math.inf), margin


def draw(probabilities: Tensor, uniform: float) -> tuple[int, float]:
    """The token in whose interval of the cumulative probabilities `(1, V)` the uniform number falls; and the margin.

    Summed in double, and scaled by the sum, so that every number below 1 falls into some token's interval.
    """
    if not 0 <= uniform < 1:
        raise ValueError(f"the uniform number is {uniform}, expected one from 0 to below 1; draw it again")
    edges = probabilities[0].double().cumsum(dim=0) / probabilities.double().sum()
    token = int((edges <= uniform).sum())
    token = min(token, int(probabilities[0].nonzero().max()))  # the last edge may have rounded to just below 1
    below = edges[token - 1].item() if token else 0.0
    return token, min(uniform - below, edges[token].item() - uniform)


def sample(
    logits: Tensor,
    previous: Sequence[int],
    config: SamplingConfig,
    uniform: float | None,
    observe: Observe = unobserved,
) -> Decision:
    """Logits `(2, V)` and all tokens so far, the start token too -> the next token, the most likely if no `uniform`.

    Raises `ValueError` for logits that are not finite: NaN has no highest, and would be token 0 unnoticed.
    """
    guided = observe("t3.guided_logits", guide(logits, config.guidance))
    if not torch.isfinite(guided).all():
        raise ValueError(
            "the guided logits hold NaN or infinite values, expected numbers; are weights and voice right?"
        )
    scores = penalize(guided, previous, config.repetition_penalty)
    if config.temperature != 1:
        scores = scores / config.temperature
    scores = observe("t3.scores", scores)
    if uniform is None:
        highest, tokens = scores[0].topk(2)
        return Decision(int(tokens[0]), argmax_gap=(highest[0].double() - highest[1].double()).item())
    scores, min_p_margin = cut_min_p(scores, config.min_p)
    scores, top_p_margin = cut_top_p(scores, config.top_p)
    token, cdf_margin = draw(scores.softmax(dim=-1), uniform)
    return Decision(token, cdf_margin=cdf_margin, min_p_margin=min_p_margin, top_p_margin=top_p_margin)
