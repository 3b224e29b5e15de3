"""Logits to a token: guidance, repetition penalty, temperature, min-p, top-p, and a draw by inverse CDF, in that order.

Upstream: the loop of `chatterbox/models/t3/t3.py` (`T3.inference`) with `RepetitionPenaltyLogitsProcessor`,
`MinPLogitsWarper` and `TopPLogitsWarper` of transformers. Its `multinomial` is replaced: the uniform number is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reference.ode import Observe, unobserved
from spec.config import SamplingConfig


def guide(logits: Tensor, guidance: float) -> Tensor:
    """Logits `(2, V)`, conditional and unconditional -> guided `(1, V)`."""
    conditional, unconditional = logits[0:1], logits[1:2]
    return conditional + guidance * (conditional - unconditional)


def penalize(logits: Tensor, previous: Sequence[int], penalty: float) -> Tensor:
    """Logits `(1, V)` with those of previous tokens lowered once, however often they occurred."""
    seen = torch.tensor(sorted(set(previous)), device=logits.device)[None]
    scores = logits.gather(1, seen)
    return logits.scatter(1, seen, torch.where(scores < 0, scores * penalty, scores / penalty))


def cut_min_p(scores: Tensor, min_p: float) -> Tensor:
    """Scores `(1, V)`, -inf where the probability is below `min_p` times the highest."""
    if min_p == 0:
        return scores
    probabilities = scores.softmax(dim=-1)
    cut = min_p * probabilities.amax()
    return scores.masked_fill(probabilities < cut, -torch.inf)


def cut_top_p(scores: Tensor, top_p: float) -> Tensor:
    """Scores `(1, V)`, -inf where the least probable tokens stay within 1 - `top_p` together."""
    if top_p == 1:
        return scores
    ascending, order = scores.sort(dim=-1)
    cumulative = ascending.softmax(dim=-1).cumsum(dim=-1)
    removed = cumulative <= 1 - top_p
    removed[:, -1] = False  # the most probable token always stays
    return scores.masked_fill(removed.scatter(1, order, removed), -torch.inf)


def staying(scores: Tensor) -> Tensor:
    """How many tokens of `(1, V)` the cuts have left so far, `(1,)`."""
    return (scores > -torch.inf).sum(dim=-1)


def draw(probabilities: Tensor, uniform: float) -> int:
    """The token in whose interval of the cumulative probabilities `(1, V)` the uniform number falls.

    Summed in double, and scaled by the sum, so that every number below 1 falls into some token's interval.
    """
    if not 0 <= uniform < 1:
        raise ValueError(f"the uniform number is {uniform}, expected one from 0 to below 1; draw it again")
    edges = probabilities[0].double().cumsum(dim=0) / probabilities.double().sum()
    token = int((edges <= uniform).sum())
    return min(token, int(probabilities[0].nonzero().max()))  # the last edge may have rounded to just below 1


def sample(
    logits: Tensor,
    previous: Sequence[int],
    config: SamplingConfig,
    uniform: float | None,
    observe: Observe = unobserved,
) -> int:
    """Logits `(2, V)` and all tokens so far, the start token too -> the next token, the most likely if no `uniform`.

    Raises `ValueError` for logits that are not finite: NaN has no highest, and would be token 0 unnoticed.
    """
    guided = observe("t3.guided_logits", guide(logits, config.guidance))
    if not torch.isfinite(guided).all():
        raise ValueError(
            "the guided logits hold NaN or infinite values, expected numbers; are weights and voice right?"
        )
    scores = observe("t3.penalized", penalize(guided, previous, config.repetition_penalty))
    scores = observe("t3.scores", scores / config.temperature)
    if uniform is None:
        return int(scores[0].argmax())
    scores = cut_min_p(scores, config.min_p)
    observe("t3.min_p", staying(scores))
    scores = cut_top_p(scores, config.top_p)
    observe("t3.top_p", staying(scores))
    number = observe("t3.uniform", torch.tensor([uniform], dtype=torch.float64))
    return draw(scores.softmax(dim=-1), number.item())
