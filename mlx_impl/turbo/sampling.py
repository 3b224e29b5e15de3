"""Logits to a token: temperature, top-k, top-p, repetition penalty, and a draw by inverse CDF, in that order.

Upstream: `chatterbox/models/t3/t3.py` (`inference_turbo`) with `TemperatureLogitsWarper`, `TopKLogitsWarper`,
`TopPLogitsWarper` and `RepetitionPenaltyLogitsProcessor` of transformers. The penalty comes last: it moves the
probabilities of tokens that the cuts have left, and never what they leave. Upstream's `multinomial` is replaced: the
uniform number is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx

from mlx_impl.ode import Observe, unobserved
from mlx_impl.ops.summation import softmax
from mlx_impl.t3.sampling import cut_top_p, draw, penalize, staying
from spec.turbo import TurboSampling


def cut_top_k(scores: mx.array, top_k: int) -> mx.array:
    """Scores `(1, V)`, -inf below the `top_k`-th highest. Those that are equal to it all stay."""
    if top_k == 0 or top_k >= scores.shape[1]:
        return scores
    lowest = mx.sort(scores, axis=-1)[:, -top_k]
    return mx.where(scores < lowest, -mx.inf, scores)


def penalized_tokens(tokens: Sequence[int]) -> Sequence[int]:
    """Which tokens the penalty sees, of all from the start token on: those that were said, or else the start token.

    Upstream penalises the start token for the first token, and never again.
    """
    return tokens[1:] or tokens


def sample(
    logits: mx.array, tokens: Sequence[int], config: TurboSampling, uniform: float, observe: Observe = unobserved
) -> int:
    """Logits `(1, V)` and all tokens from the start token on -> the next token.

    `t3.scores (2, V)` are those by which tokens are cut, and those of which one is drawn. Raises `ValueError` for
    logits that are not finite.
    """
    if not mx.isfinite(logits).all().item():
        raise ValueError("the logits hold NaN or infinite values, expected numbers; are weights and voice right?")
    scores = logits / config.temperature
    penalized = penalize(scores, penalized_tokens(tokens), config.repetition_penalty)
    scores = observe("t3.scores", mx.concatenate([scores, penalized]))
    kept = cut_top_k(scores[:1], config.top_k)
    observe("t3.top_k", staying(kept))
    kept = cut_top_p(kept, config.top_p)
    observe("t3.top_p", staying(kept))
    number = observe("t3.uniform", mx.array([uniform]))
    left = mx.where(kept == -mx.inf, -mx.inf, scores[1:])
    return draw(softmax(left), number.item())
